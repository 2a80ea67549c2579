import type { ParseArgsConfig } from 'node:util'

/** `--ref -x` as `--ref=-x`: a value may begin with a dash, and `parseArgs` would ask what is meant. */
export function joinValues (words: readonly string[], options: NonNullable<ParseArgsConfig['options']>): string[] {
  const optionOf = (word: string | undefined) => word?.startsWith('--') === true ? options[word.slice(2)] : undefined
  const joined: string[] = []
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    const value = words[at + 1]
    const isValued = optionOf(word)?.type === 'string' && value !== undefined && optionOf(value) === undefined
    joined.push(isValued ? `${word}=${value}` : word)
    if (isValued) at++
  }
  return joined
}
