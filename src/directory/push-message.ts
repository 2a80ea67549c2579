import type { Secret } from '../base/secret.ts'
import type { Buyer, ContractStatus, OrderKey, ProvisioningReport, Purchase } from './instance.ts'
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

/** `replace` is the full list; an empty one never wipes a tenant (sync.md §6, row 11). */
export interface DepartmentsPush extends PushHead {
  readonly kind: 'departments'
  readonly change: 'add' | 'modify' | 'delete' | 'replace'
  readonly departments: readonly PushedDepartment[]
}

export interface PushedDepartment {
  readonly code: string
  readonly name?: string
  readonly parentCode?: string
}

/** What happens to a purchase. It names no tenant: which ones it touches, the directory knows. */
export interface InstancePush {
  readonly kind: 'instance'
  readonly realm: Realm
  /** In UTC+8 like all versions, whatever zone the interface speaks. */
  readonly version: PushVersion
  readonly instanceId: InstanceId
  readonly change: InstanceChange
}

export type InstanceChange =
  /** newInstance. `InstancePush.instanceId` is the wish, taken if it is free; the same order always finds the same instance. */
  | {
    readonly kind: 'create'
    /** Taken instead if the wished id belongs to another order. */
    readonly spareInstanceId: InstanceId
    readonly order: OrderKey
    readonly businessId: string
    readonly productId?: string
    /** Epoch ms. */
    readonly expiresAt?: number
    readonly buyer?: Buyer
    /** `ready` at once with this address, or `pending` until the seller's system says so. */
    readonly provisioning: 'ready' | 'pending'
    readonly frontEndUrl: string
  }
  /** refreshInstance. The same order and scene again is a repeat, also under a newer version (a retry is signed anew). */
  | { readonly kind: 'renew', readonly scene: string, readonly order: OrderKey, readonly expiresAt: number, readonly productId?: string }
  | { readonly kind: 'status', readonly status: ContractStatus }
  | { readonly kind: 'upgrade', readonly order: OrderKey, readonly productId?: string, readonly details: Readonly<Record<string, string>> }
  | { readonly kind: 'release', readonly orderId?: string }
  /** What the seller's system answered to an event. */
  | { readonly kind: 'provision', readonly report: ProvisioningReport }
  /** The marketplace is about to be told the instance's id: from now on it is fixed. */
  | { readonly kind: 'tell' }
  /** What an order query says was bought. */
  | { readonly kind: 'purchase', readonly purchase: Purchase }

/** The one form in which any interface of any generation reaches the directory. */
export type PushMessage = TenantPush | ApplicationPush | AccountsPush | DepartmentsPush | InstancePush
