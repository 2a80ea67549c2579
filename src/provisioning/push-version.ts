import type { PushVersion } from '../directory/model.ts'

/** Versions are written in UTC+8 (sync.md §1.1). */
const offsetMilliseconds = 8 * 3_600_000

/**
 * The version of a change of our own.
 *
 * @param time epoch ms
 */
export function pushVersionAt (time: number): PushVersion {
  return new Date(time + offsetMilliseconds).toISOString().replace(/[-:TZ.]/g, '') as PushVersion
}

/** Epoch ms. */
export function timeOfPushVersion (version: PushVersion): number {
  const local = version.replace(/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/, '$1-$2-$3T$4:$5:$6.$7Z')
  return Date.parse(local) - offsetMilliseconds
}
