import { loadConfig, processSources } from '../config/load-config.ts'
import { storageSettingsOf } from '../config/storage-settings-of.ts'
import { configWarnings } from '../config/warnings.ts'
import { checkStorage } from './check-storage.ts'
import { describeRoutes } from './describe-routes.ts'
import { describeSettings } from './describe-settings.ts'
import { exitCodes, printComplaints } from './report.ts'

/** Judges the configuration, and the store that it names, without starting anything. Keys appear as fingerprints only. */
export async function check (): Promise<number> {
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints('jointgate', loaded.complaints)
    return exitCodes.config
  }
  const { config } = loaded
  const { lines: storageLines, isFault } = await checkStorage(storageSettingsOf(config), config.dangerouslyAllowLoss)
  const lines = [
    'The configuration is valid.',
    ...describeSettings(config).map(([title, text]) => `  ${title.padEnd(19)} ${text}`),
    '',
    'Routes, the nearest first, as they are when all rules are heard:',
    ...describeRoutes(config).map((line) => `  ${line}`),
  ]
  if (storageLines.length > 0) lines.push('', ...storageLines)
  const warnings = configWarnings(config)
  if (warnings.length > 0) lines.push('', 'Warnings:', ...warnings.map((warning) => `  - ${warning}`))
  process.stdout.write(`${lines.join('\n')}\n`)
  return isFault ? exitCodes.fault : exitCodes.ok
}
