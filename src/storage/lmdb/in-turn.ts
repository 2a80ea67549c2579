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
