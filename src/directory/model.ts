import type { Brand } from '../base/brand.ts'
import type { Secret } from '../base/secret.ts'

/** The enterprise's id at the marketplace (`tenantId`). */
export type TenantId = Brand<'TenantId'>
/** The marketplace's id of the application credential (`appId`). */
export type AppId = Brand<'AppId'>
/** One purchase (`instanceId`); the empty text stands for the seller's credential stage, before anything was bought. */
export type InstanceId = Brand<'InstanceId'>
/** The account's name, unique inside its tenant only (`userName`). Compared exactly, never folded (`login.md` Q19). */
export type UserName = Brand<'UserName'>
/** The marketplace's 17-digit business time of a message, `yyyyMMddHHmmssSSS` in UTC+8. Orders as text. */
export type PushVersion = Brand<'PushVersion'>

/** `testFlag` 1 lives in a name space of its own and never meets production data (C-60). */
export type Realm = 'production' | 'test'

export type Role = 'user' | 'admin'

/** What every pushed row carries. */
export interface PushedRow {
  /** The newest message that changed the row. An older one no longer does; the same version again does. */
  readonly version: PushVersion
  /** A deleted row stays as a tombstone, so that a late, older "add" cannot revive it (T-45). */
  readonly isDeleted: boolean
  /**
   * The newest message that took access away here, `''` if none did. A session whose sign-in did not know of it is dead, also
   * after access was given back. A maximum, so the order of arrival doesn't matter.
   */
  readonly lastLoss: PushVersion | ''
  /**
   * The members that an older message than `version` wrote, with that message's version (`''`: nobody wrote it yet). A late message
   * still brings what no newer one has said; without this the row would depend on the order of arrival (T-45).
   */
  readonly since?: Readonly<Record<string, PushVersion | ''>>
}

/** An enterprise as bound to one instance. Key: tenant, instance. */
export interface Tenant extends PushedRow {
  readonly instanceId: InstanceId
  readonly name: string
  readonly tenantCode: string
  readonly orderId: string
  /** Base address of the tenant's authorization server, without a trailing slash. */
  readonly authorizationServer: string
}

/** The OAuth client which the marketplace made for a tenant. Key: tenant, application, instance. */
export interface ClientBinding extends PushedRow {
  readonly instanceId: InstanceId
  readonly clientId: string
  /** Absent on a tombstone: a deleted client keeps no secret. */
  readonly clientSecret: Secret | undefined
}

/** The optional details of an account; an absent member was never sent. */
export interface AccountDetails {
  readonly position?: string
  readonly employeeCode?: string
  readonly employeeType?: string
  readonly mobile?: string
  readonly email?: string
  readonly workPlace?: string
  readonly entryDate?: string
}

/** A person's account as authorised for one application and instance. Key: tenant, application, userName, instance. */
export interface Account extends PushedRow {
  readonly instanceId: InstanceId
  readonly userName: UserName
  readonly name: string
  readonly departmentCode: string
  readonly role: Role
  readonly isEnabled: boolean
  /** `false` after the application's grant was taken back while the person stays in the enterprise (`flag` 3). */
  readonly isAuthorised: boolean
  readonly details: AccountDetails
}

/** A department of a tenant, flat: parents are named by code. Key: tenant, instance, code. */
export interface Department extends PushedRow {
  readonly instanceId: InstanceId
  /** `orgCode`; an account's `departmentCode` may name one that nobody has pushed yet. */
  readonly code: string
  readonly name: string
  /** Empty for the top department. */
  readonly parentCode: string
}

/**
 * The newest full list of departments (allOrgSync). A department that neither it nor a newer message has named is inactive, but kept
 * (sync.md §1.6). Key: tenant, instance.
 */
export interface DepartmentList {
  readonly instanceId: InstanceId
  readonly version: PushVersion
}

/** How much an open door lets one do; the application is told, it alone knows what writing is. */
export type AccessLevel = 'full' | 'read-only'

/** Who a request acts as, once the directory has said yes. */
export interface Principal {
  readonly tenantId: TenantId
  readonly tenantName: string
  readonly appId: AppId
  readonly instanceId: InstanceId
  readonly userName: UserName
  readonly name: string
  readonly role: Role
  readonly departmentCode: string
  readonly access: AccessLevel
}

/** Whether an account's own row lets it in; its tenant and the client have their say too (`decideAccess`). */
export function isOpenAccount (account: Account): boolean {
  return !account.isDeleted && account.isAuthorised && account.isEnabled
}
