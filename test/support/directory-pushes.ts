import { Secret } from '../../src/base/secret.ts'
import type { AppId, InstanceId, PushVersion, TenantId, UserName } from '../../src/directory/model.ts'
import type { AccountsPush, ApplicationPush, DepartmentsPush, TenantPush } from '../../src/directory/push-message.ts'

export const tenantId = 'tenant-1' as TenantId
export const appId = 'app-1' as AppId
export const userName = 'zhangsan' as UserName

/** A push version that orders by its number. */
export const versionAt = (at: number): PushVersion => `202501010800${String(at).padStart(5, '0')}` as PushVersion

const head = (at: number) => ({ realm: 'production', tenantId, instanceId: 'instance-1' as InstanceId, version: versionAt(at) }) as const

export function tenantPush (at: number, more: Partial<TenantPush> = {}): TenantPush {
  return { ...head(at), kind: 'tenant', change: 'add', name: 'Acme', authorizationServer: 'https://acme.example', ...more }
}

export function applicationPush (at: number, more: Partial<ApplicationPush> = {}): ApplicationPush {
  return { ...head(at), kind: 'application', change: 'add', appId, clientId: 'client-1', clientSecret: new Secret('client-secret-1'), ...more }
}

export function accountsPush (at: number, more: Partial<AccountsPush> = {}): AccountsPush {
  return { ...head(at), kind: 'accounts', change: 'add', appId, accounts: [{ userName, name: '张三', details: {} }], ...more }
}

export function departmentsPush (at: number, more: Partial<DepartmentsPush> = {}): DepartmentsPush {
  return { ...head(at), kind: 'departments', change: 'add', departments: [{ code: 'd-1', name: '研发部', parentCode: '' }], ...more }
}
