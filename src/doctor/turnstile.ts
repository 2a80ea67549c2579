/** Lets so many pieces of work go on at once; the others wait in the order in which they came. */
export function createTurnstile (places: number): <Value> (work: () => Promise<Value>) => Promise<Value> {
  const waiting: Array<() => void> = []
  let free = places
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => { waiting.push(resolve) })
    else free -= 1
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
