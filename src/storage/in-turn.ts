/** Runs an operation when all that came before it have ended. */
export type InTurn = <Result>(operation: () => Promise<Result>) => Promise<Result>

/** A queue for operations that read what the one before them wrote. One that fails holds up nobody. */
export function createInTurn (): InTurn {
  let last: Promise<unknown> = Promise.resolve()
  return (operation) => {
    const next = last.then(operation)
    last = next.catch(() => undefined)
    return next
  }
}

/** A queue for each name, as long as anything waits in it. */
export function createTurns (): <Result>(name: string, operation: () => Promise<Result>) => Promise<Result> {
  const queues = new Map<string, { inTurn: InTurn, waiting: number }>()
  return async (name, operation) => {
    const queue = queues.get(name) ?? { inTurn: createInTurn(), waiting: 0 }
    queues.set(name, queue)
    queue.waiting++
    try {
      return await queue.inTurn(operation)
    } finally {
      if (--queue.waiting === 0) queues.delete(name)
    }
  }
}
