import { allOrgSync } from './all-org-sync.ts'
import { applicationSync } from './application-sync.ts'
import { authSync } from './auth-sync.ts'
import type { KitInterface } from './kit-interface.ts'
import { singleOrgSync } from './single-org-sync.ts'
import { tenantSync } from './tenant-sync.ts'

/** Every interface of the Kit that the gateway answers. A new one is a file beside these and a line here. */
export const kitInterfaces: readonly KitInterface[] = [tenantSync, applicationSync, authSync, singleOrgSync, allOrgSync]
