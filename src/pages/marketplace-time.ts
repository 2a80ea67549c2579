/** `2025-05-06 15:08:09` in the marketplace's own time zone, UTC+8, in which it sells. Cut off what is too exact. */
export function marketplaceTime (at: number): string {
  return new Date(at + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')
}
