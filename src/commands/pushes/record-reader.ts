import type { Config } from '../../config/load-config.ts'
import { readingRulesOf } from '../../config/reading-rules.ts'
import { createReadRecord, type ReadRecord } from '../../push/read-record.ts'

/** Reads archived pushes under the rules and with the keys of the present configuration. */
export function createRecordReader (config: Config): ReadRecord {
  return createReadRecord({ rules: readingRulesOf(config), keys: config.marketplace })
}
