import type { PushVersion } from '../../directory/model.ts'

/** The base interfaces write their times in UTC, the Kit in UTC+8; the text itself doesn't say (sync.md §3.1, §1.1). */
export type WireZone = 'utc' | 'utc+8'

const offsetMilliseconds: Readonly<Record<WireZone, number>> = { utc: 0, 'utc+8': 8 * 3_600_000 }

/**
 * Reads `yyyyMMddHHmmss` or `yyyyMMddHHmmssSSS`.
 *
 * @returns epoch ms; `undefined` for any other text, and for a day or an hour that no calendar has
 */
export function parseWireTime (text: string, zone: WireZone): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})?$/.exec(text)?.slice(1).map((part = '0') => Number(part))
  if (parts === undefined) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, millisecond = 0] = parts
  const local = Date.UTC(year, month - 1, day, hour, minute, second, millisecond)
  // Date carries February 30 over into March; printed again it is another text.
  return digitsOf(local).startsWith(text) ? local - offsetMilliseconds[zone] : undefined
}

/**
 * Writes `yyyyMMddHHmmssSSS`.
 *
 * @param time epoch ms
 * @throws RangeError outside the years 0 to 9999
 */
export function formatWireTime (time: number, zone: WireZone): string {
  const text = digitsOf(time + offsetMilliseconds[zone])
  if (text.length !== 17) throw new RangeError('no year of four digits')
  return text
}

/** The year 10000 in UTC+8: no version can name it. */
const endOfVersions = Date.UTC(10_000, 0) - offsetMilliseconds['utc+8']

/** The version of a message whose `timeStamp` is 17 digits in UTC: versions are UTC+8, so that both families order as one. */
export function pushVersionOfUtc (timeStamp: string): PushVersion | undefined {
  if (timeStamp.length !== 17) return undefined
  const time = parseWireTime(timeStamp, 'utc')
  if (time === undefined || time >= endOfVersions) return undefined
  return formatWireTime(time, 'utc+8') as PushVersion
}

function digitsOf (time: number): string {
  return new Date(time).toISOString().replace(/[-:TZ.]/g, '')
}
