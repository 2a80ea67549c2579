/** What a terminal acts on or shows in another order than it stands (Cc, Cf): names come from elsewhere. */
const unprintable = /[\p{Cc}\p{Cf}]/gu

/** Prints lines to stdout, what could steer a terminal as `\u{…}`. */
export function printLines (lines: readonly string[]): void {
  for (const line of lines) {
    process.stdout.write(`${line.replace(unprintable, (sign) => `\\u{${sign.codePointAt(0)?.toString(16)}}`)}\n`)
  }
}

/** Prints one JSON value, the same way for every command that knows `--json`. */
export function printJson (value: unknown): void {
  // JSON itself escapes the lower control characters only, and its line breaks are ours.
  const text = JSON.stringify(value, undefined, 2).replace(unprintable, (sign) => sign === '\n' ? sign : escapeUnits(sign))
  process.stdout.write(`${text}\n`)
}

function escapeUnits (sign: string): string {
  return Array.from({ length: sign.length }, (_, index) => `\\u${sign.charCodeAt(index).toString(16).padStart(4, '0')}`).join('')
}

/** Columns as wide as their widest cell; the last one ends where its text ends. */
export function alignColumns (rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = rows.reduce<number[]>((widest, row) => row.map((cell, index) => Math.max(cell.length, widest[index] ?? 0)), [])
  return rows.map((row) => row.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('  ').trimEnd())
}
