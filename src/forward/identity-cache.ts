import type { Clock } from '../base/clock.ts'
import type { IdentityHeaderNames } from '../base/header-names.ts'
import type { Principal } from '../directory/model.ts'
import type { SessionRef } from '../session/session.ts'
import { assertionLifetimeSeconds, signAssertion } from './assertion.ts'
import { identityHeadersOf } from './identity-headers.ts'
import type { SigningKey, SigningKeys } from './signing-keys.ts'

/** A signature costs more than all the rest of a request, so one serves a session until this close to its end. */
const renewSecondsBeforeEnd = 60
/** About 2 KB each. Beyond that the one signed longest ago is signed again at its next request. */
const maxEntries = 20_000

interface Entry {
  readonly principal: Principal
  /** The key that signed. After it nothing of it is handed out: it may have been taken away. */
  readonly kid: string
  /** Epoch ms. */
  readonly renewAt: number
  readonly headers: Promise<readonly string[]>
}

export interface IdentityCacheOptions {
  readonly keys: Pick<SigningKeys, 'current'>
  readonly headerNames: IdentityHeaderNames
  /** Its origin is the assertion's `iss`. */
  readonly publicUrl: URL
  readonly clock: Clock
}

/** The identity headers of each session, assertion included, signed anew when the principal or the key changed or the end is near. */
export class IdentityCache {
  /** Whoever hands on what clients send must know which names are ours. */
  readonly headerNames: IdentityHeaderNames
  readonly #options: IdentityCacheOptions
  readonly #entries = new Map<SessionRef, Entry>()

  constructor (options: IdentityCacheOptions) {
    this.#options = options
    this.headerNames = options.headerNames
  }

  /** A flat list of header names and values. Requests at once share one signature. */
  async headersFor (ref: SessionRef, principal: Principal): Promise<readonly string[]> {
    const now = this.#options.clock.now()
    const key = this.#options.keys.current()
    const known = this.#entries.get(ref)
    const isFresh = known !== undefined && now < known.renewAt && known.kid === key.kid
    if (isFresh && isSamePrincipal(known.principal, principal)) return await known.headers
    const entry: Entry = {
      principal,
      kid: key.kid,
      renewAt: now + (assertionLifetimeSeconds - renewSecondsBeforeEnd) * 1000,
      headers: this.#sign(key, principal, now),
    }
    this.#remember(ref, entry)
    try {
      return await entry.headers
    } catch (error) {
      if (this.#entries.get(ref) === entry) this.#entries.delete(ref)
      throw error
    }
  }

  async #sign (key: SigningKey, principal: Principal, now: number): Promise<readonly string[]> {
    const { publicUrl } = this.#options
    return identityHeadersOf(this.headerNames, principal, await signAssertion({ key, issuer: publicUrl.origin, principal, now }))
  }

  #remember (ref: SessionRef, entry: Entry): void {
    this.#entries.delete(ref)
    this.#entries.set(ref, entry)
    const [oldest] = this.#entries.keys()
    if (this.#entries.size > maxEntries && oldest !== undefined) this.#entries.delete(oldest)
  }
}

// As a record, so that the compiler asks for every member that a principal gets later.
const compared: Record<keyof Principal, true> = {
  tenantId: true,
  tenantName: true,
  appId: true,
  instanceId: true,
  userName: true,
  name: true,
  role: true,
  departmentCode: true,
  access: true,
}
const comparedMembers = Object.keys(compared) as (keyof Principal)[]

function isSamePrincipal (a: Principal, b: Principal): boolean {
  return a === b || comparedMembers.every((member) => a[member] === b[member])
}
