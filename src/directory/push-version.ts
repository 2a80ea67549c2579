import type { PushVersion } from './model.ts'

/** Versions are written in UTC+8 (sync.md §1.1, 默认时区东8区). */
const zoneMilliseconds = 8 * 3_600_000

/** The version of a message that speaks at this time. */
export function versionAt (epochMilliseconds: number): PushVersion {
  return new Date(epochMilliseconds + zoneMilliseconds).toISOString().replace(/\D/g, '') as PushVersion
}

/** Epoch ms of a version; `NaN` for what is none. */
export function timeOf (version: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})$/.exec(version) ?? []
  const [year = NaN, month = NaN, day = NaN, hour = NaN, minute = NaN, second = NaN, millisecond = NaN] = parts.map(Number)
  return Date.UTC(year, month - 1, day, hour, minute, second, millisecond) - zoneMilliseconds
}
