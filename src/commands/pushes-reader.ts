import type { Config } from '../config/load-config.ts'
import { createReadRecord, type ReadRecord } from '../push/read-record.ts'

/** Reads archived pushes under the rules and with the keys of the present configuration. */
export function createRecordReader ({ application, marketplace, provisioning, dangerouslyAllowHttp }: Config): ReadRecord {
  const { kitKeys, productionKeys, privateKeys, tenantDomains } = marketplace
  return createReadRecord({
    rules: {
      appIds: [application.id],
      frontEndUrl: application.publicUrl,
      hasHook: provisioning.url !== undefined,
      tenantDomains,
      dangerouslyAllowHttp,
    },
    keys: { kitKeys, productionKeys, privateKeys },
  })
}
