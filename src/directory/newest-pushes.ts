import type { ArchivedPush, PushLog } from './push-log.ts'

/** What a list tells of a push: all but what it said. */
export type PushHeading = Omit<ArchivedPush, 'content' | 'version'> & { readonly bytes: number }

/**
 * The newest pushes that are wanted, the oldest of them first. One at a time: the content of each, up to 16 MiB, is let go before the
 * next is opened.
 */
export async function newestPushes (
  pushLog: Pick<PushLog, 'find' | 'range'>, count: number, isWanted: (push: ArchivedPush) => boolean = () => true,
): Promise<PushHeading[]> {
  const range = await pushLog.range()
  const found: PushHeading[] = []
  for (let number = range?.last ?? 0; number >= (range?.first ?? 1) && found.length < count; number--) {
    const push = await pushLog.find(number)
    // Gone if it was swept meanwhile.
    if (push !== undefined && isWanted(push)) found.push(headingOf(push))
  }
  return found.reverse()
}

export function headingOf ({ content, version, ...rest }: ArchivedPush): PushHeading {
  return { ...rest, bytes: content.length }
}
