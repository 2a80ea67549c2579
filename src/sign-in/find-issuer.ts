import type { Clock } from '../base/clock.ts'
import { currentTenant } from '../directory/decide-access.ts'
import type { DirectoryListing } from '../directory/directory-listing.ts'
import type { DirectoryStore } from '../directory/directory-store.ts'
import type { AppId, TenantId } from '../directory/model.ts'

export interface FindIssuerDeps {
  readonly listing: Pick<DirectoryListing, 'listTenants'>
  readonly directory: Pick<DirectoryStore, 'viewTenant'>
  readonly clock: Clock
  readonly appId: AppId
  /** What follows a tenant's `domainName` in the `iss` of its tokens. */
  readonly issuerPath: string | undefined
}

export interface Issuer {
  readonly authorizationServer: string
  /** The tenants of this server that a client among the asked ones belongs to: one, unless pushes gave two the same client. */
  readonly tenants: readonly { readonly tenantId: TenantId, readonly clientIds: readonly string[] }[]
}

const mostTenants = 20_000
/** Anybody can ask for an unknown issuer, and to look for it means to go through all tenants. */
const coolDownMs = 10_000

/** Finds whom a token speaks for by its `iss` and `aud`, among the tenants that signed pushes made known and no others. */
export function createFindIssuer ({ listing, directory, clock, appId, issuerPath = '' }: FindIssuerDeps) {
  let tenantsOf = new Map<string, Set<TenantId>>()
  let readAt = -Infinity
  /** Whose a client may be, by authorization server: many tenants may share one, and anybody can ask for a client that none has. */
  let clientsOf = new Map<string, Promise<Map<string, Set<TenantId>>>>()

  async function read (): Promise<void> {
    readAt = clock.now()
    const next = new Map<string, Set<TenantId>>()
    for (const { tenantId, tenant } of await listing.listTenants('production', mostTenants)) {
      const tenants = next.get(tenant.authorizationServer) ?? new Set()
      next.set(tenant.authorizationServer, tenants.add(tenantId))
    }
    tenantsOf = next
    clientsOf = new Map()
  }

  async function readClients (authorizationServer: string): Promise<Map<string, Set<TenantId>>> {
    const clients = new Map<string, Set<TenantId>>()
    for (const tenantId of tenantsOf.get(authorizationServer) ?? []) {
      const { bindings } = await directory.viewTenant('production', tenantId, appId)
      for (const { clientId } of bindings) clients.set(clientId, (clients.get(clientId) ?? new Set()).add(tenantId))
    }
    return clients
  }

  async function candidatesOf (authorizationServer: string, audiences: readonly string[]): Promise<Set<TenantId>> {
    if (!tenantsOf.has(authorizationServer)) return new Set()
    let reading = clientsOf.get(authorizationServer)
    if (reading === undefined) {
      reading = readClients(authorizationServer)
      clientsOf.set(authorizationServer, reading)
      reading.catch(() => { clientsOf.delete(authorizationServer) })
    }
    const clients = await reading
    return new Set(audiences.flatMap((audience) => [...clients.get(audience) ?? []]))
  }

  /** The rows decide, not what was read a while ago: a tenant may have moved or gone. */
  async function look (authorizationServer: string, audiences: readonly string[]): Promise<Issuer['tenants']> {
    const found: { tenantId: TenantId, clientIds: string[] }[] = []
    for (const tenantId of await candidatesOf(authorizationServer, audiences)) {
      const view = await directory.viewTenant('production', tenantId, appId)
      const clients = view.bindings.filter(({ isDeleted, clientId }) => !isDeleted && audiences.includes(clientId))
      const clientIds = clients.map(({ clientId }) => clientId)
      if (currentTenant(view)?.authorizationServer === authorizationServer && clientIds.length > 0) found.push({ tenantId, clientIds })
    }
    return found
  }

  /** @returns `undefined` for an issuer that is no tenant's authorization server, or no client of it */
  return async function findIssuer (issuer: string, audiences: readonly string[]): Promise<Issuer | undefined> {
    if (!issuer.endsWith(issuerPath)) return undefined
    const authorizationServer = issuer.slice(0, issuer.length - issuerPath.length)
    if (clock.now() - readAt >= coolDownMs) await read()
    const tenants = await look(authorizationServer, audiences)
    return tenants.length === 0 ? undefined : { authorizationServer, tenants }
  }
}

export type FindIssuer = ReturnType<typeof createFindIssuer>
