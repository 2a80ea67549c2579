/**
 * What node is told about a worker's memory. V8 notes which lines make objects that outlive a young collection, and has them make all
 * later ones in the old generation. In a gateway nothing of a request outlives its answer, but a collection in a busy moment finds so many
 * requests under way that it looks as if; and what stands in the old generation keeps alive what it points to, so then it looks so for
 * ever (docs/decisions/0013).
 */
export const workerFlags = ['--no-allocation-site-pretenuring'] as const
