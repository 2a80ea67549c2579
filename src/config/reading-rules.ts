import type { ReadingRules } from '../push/read-content.ts'
import type { Config } from './load-config.ts'

/** How pushes are read: the same for those that come and for those that are taken out of the log again, or a replay would differ. */
export function readingRulesOf ({ application, marketplace, provisioning, dangerouslyAllowHttp }: Config): ReadingRules {
  return {
    appIds: [application.id],
    frontEndUrl: application.publicUrl,
    hasHook: provisioning.url !== undefined,
    tenantDomains: marketplace.tenantDomains,
    dangerouslyAllowHttp,
  }
}
