import type { Config } from '../../config/load-config.ts'

/**
 * What of a new configuration can't be had without a restart, in sentences for a person: for a while workers with the old one and the
 * new one serve side by side, so they must keep the same things, and be able to read what the other ones have sealed.
 */
export function complaintsAboutReload (running: Config, next: Config): string[] {
  const complaints: string[] = []
  if (JSON.stringify(next.storage) !== JSON.stringify(running.storage)) complaints.push('storage: another store needs a restart')
  if (!knowsFirstKeyOf(running, next) || !knowsFirstKeyOf(next, running)) {
    complaints.push('secretKeys: a new first key must first be known to all: put it behind the first one, reload, then put it in front')
  }
  return complaints
}

function knowsFirstKeyOf ({ secretKeys: known }: Config, { secretKeys: [first] }: Config): boolean {
  return known.some((key) => key.reveal() === first?.reveal())
}
