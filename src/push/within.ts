/** Waits so long and no longer, then answers `undefined`; what was begun goes on. */
export async function within<Value> (milliseconds: number, work: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined
  const patience = new Promise<undefined>((resolve) => { timer = setTimeout(() => { resolve(undefined) }, milliseconds) })
  try {
    return await Promise.race([work, patience])
  } finally {
    clearTimeout(timer)
  }
}
