import type { Secret } from '../base/secret.ts'
import type { AccountDetails, AppId, InstanceId, PushVersion, Realm, Role, TenantId, UserName } from './model.ts'

/** What every push says about itself. */
interface PushHead {
  readonly realm: Realm
  readonly tenantId: TenantId
  readonly instanceId: InstanceId
  readonly version: PushVersion
}

/** On `modify` an absent member leaves the old value and an empty one clears it; `add` brings all that the tables demand. */
export interface TenantPush extends PushHead {
  readonly kind: 'tenant'
  readonly change: 'add' | 'modify' | 'delete'
  readonly name?: string
  readonly tenantCode?: string
  readonly orderId?: string
  readonly authorizationServer?: string
}

export interface ApplicationPush extends PushHead {
  readonly kind: 'application'
  readonly change: 'add' | 'modify' | 'delete'
  readonly appId: AppId
  readonly clientId?: string
  readonly clientSecret?: Secret
}

/** `revoke` takes back this application's grant, `delete` removes the member from the enterprise (`sync.md` §1.4, "0 against 3"). */
export interface AccountsPush extends PushHead {
  readonly kind: 'accounts'
  readonly change: 'add' | 'modify' | 'revoke' | 'delete'
  readonly appId: AppId
  readonly accounts: readonly PushedAccount[]
}

export interface PushedAccount {
  readonly userName: UserName
  readonly name?: string
  readonly departmentCode?: string
  readonly role?: Role
  readonly isEnabled?: boolean
  readonly details: AccountDetails
}

/** The one form in which any interface of any generation reaches the directory. */
export type PushMessage = TenantPush | ApplicationPush | AccountsPush
