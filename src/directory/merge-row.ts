import type { PushedRow, PushVersion } from './model.ts'

/** The members that messages write. The rest of a row is its key, which never changes. */
export type Members = Readonly<Record<string, unknown>>

interface Written<Row extends PushedRow> {
  readonly current: Row | undefined
  /** What the message says; an absent member is one that it says nothing of. */
  readonly members: Members
  /** What every member is before anybody has said anything; for a whole message (add, delete) also what its silence means. */
  readonly blank: Members
  /** An addition or a deletion speaks of every member, a modification only of those that it names. */
  readonly isWhole: boolean
  readonly version: PushVersion
  /** Whether the message takes access away. */
  readonly isLoss: boolean
}

export type Merged = { readonly members: Members } & Pick<PushedRow, 'version' | 'lastLoss' | 'since'>

/**
 * The row after a message: each member is what the newest message that spoke of it has said, so the same messages in any order leave
 * the same row (T-45; a last-writer-wins register for each member). Of two messages of one version the later arrival counts.
 */
export function mergeRow<Row extends PushedRow> ({ current, members, blank, isWhole, version, isLoss }: Written<Row>): Merged {
  const lastLoss = newer(current?.lastLoss ?? '', isLoss ? version : '')
  if (isWhole && (current === undefined || version >= current.version)) return { members: { ...blank, ...members }, version, lastLoss }

  const spoken = isWhole ? { ...blank, ...members } : members
  const merged: Record<string, unknown> = {}
  const since: Record<string, PushVersion | ''> = {}
  const newest = newer(current?.version ?? '', version) as PushVersion
  for (const name of Object.keys(blank)) {
    const before = versionOf(current, name)
    const isSpoken = Object.hasOwn(spoken, name) && version >= before
    merged[name] = isSpoken ? spoken[name] : current === undefined ? blank[name] : currentValue(current, name)
    const written = isSpoken ? version : before
    if (written !== newest) since[name] = written
  }
  return { members: merged, version: newest, lastLoss, ...(Object.keys(since).length > 0 ? { since } : {}) }
}

/** Overtaken by a newer message: it may lack whatever it likes. */
export function isLate (version: PushVersion, current: PushedRow | undefined): boolean {
  return current !== undefined && version < current.version
}

export function newer<Version extends PushVersion | ''> (a: Version, b: Version): Version {
  return a > b ? a : b
}

function versionOf (current: PushedRow | undefined, name: string): PushVersion | '' {
  if (current === undefined) return ''
  return current.since?.[name] ?? current.version
}

/** `details.email` is the member `email` of the member `details`. */
function currentValue (current: PushedRow, name: string): unknown {
  return name.split('.').reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], current)
}
