import type { Role } from '../directory/model.ts'
import type { CallAnswer } from './call-answer.ts'
import { noFaults, type Faults } from './faults.ts'
import type { Instance, Order } from './instance.ts'
import type { SignedCall } from './marketplace-call.ts'
import type { Generation, Message } from './push.ts'
import type { Delivery } from './retry-rules.ts'

/** A department of an enterprise. */
export interface Department {
  readonly code: string
  name: string
  /** Empty for the top one. */
  parentCode: string
}

/** What every new enterprise starts with. */
export const defaultDepartments: readonly Readonly<Department>[] = [
  { code: '10000', name: '总部 Head office', parentCode: '' },
  { code: '10001', name: '总经理办公室 Management', parentCode: '10000' },
  { code: '10002', name: '研发部 Engineering', parentCode: '10000' },
  { code: '10003', name: '市场部 Marketing', parentCode: '10000' },
  { code: '10004', name: '财务部 Finance', parentCode: '10000' },
]

/** A person of an enterprise. Exists here whether or not the application knows of it. */
export interface Member {
  readonly id: string
  readonly userName: string
  /** Shown on the console: a demo has no secrets. */
  readonly password: string
  name: string
  role: Role
  departmentCode: string
  isEnabled: boolean
  /** Whether the enterprise has granted the application to this member (授权). */
  isAuthorised: boolean
}

/** An enterprise and, while the application is bound to it, the OAuth client made for it. */
export interface Enterprise {
  readonly tenantId: string
  /** The part behind `@` of an account; the `tenantCode` of the pushes. */
  readonly code: string
  name: string
  /** Everything sent of it carries `testFlag` 1. */
  readonly isTest: boolean
  /** `undefined` while the application isn't bound to the enterprise. */
  client: { readonly clientId: string, readonly clientSecret: string } | undefined
  /** Its authentication centre's base address, as last pushed; `''` before the first binding. */
  domainName: string
  readonly members: Map<string, Member>
  /** By code. */
  readonly departments: Map<string, Department>
}

/** Who a code, a token or an SSO session speaks for. All times in epoch ms. */
interface Holder {
  readonly tenantCode: string
  readonly userName: string
  readonly expiresAt: number
}

export interface CodeGrant extends Holder {
  readonly clientId: string
  /** As the authorization request carried it; `undefined` on the unified login, which carries none (login.md §1.1). */
  readonly redirectUri: string | undefined
}

export interface TokenGrant extends Holder {
  readonly clientId: string
}

/** What was sent, what a fault switch did to it and what the application answered. */
export interface PushAnswer extends Message, CallAnswer {
  /** 1 for the first call of this marketplace. */
  readonly number: number
  /** Epoch ms. */
  readonly sentAt: number
  /** `''` if nothing was done to it. */
  readonly fault: '' | 'slow' | 'request-lost' | 'answer-lost' | 'doubled' | 'old' | 'held' | 'shuffled'
  /** What went over the wire; sent once more it is a replay. `undefined` while it is held. */
  readonly call: SignedCall | undefined
  /** As the marketplace counts it: HTTP 200 and `000000` (sync.md §0.4). */
  readonly isSuccess: boolean
}

/** Everything that lasts while the simulator runs; nothing outlives the process. */
export interface MarketplaceState {
  /** Which of the two generations the marketplace speaks. */
  generation: Generation
  readonly faults: Faults
  /** By code. */
  readonly enterprises: Map<string, Enterprise>
  /** By the id of the order that bought it. */
  readonly instances: Map<string, Instance>
  /** By id; bounded. */
  readonly orders: Map<string, Order>
  /** Calls to be made again, by what they are about. */
  readonly deliveries: Map<string, Delivery>
  readonly codes: Map<string, CodeGrant>
  readonly accessTokens: Map<string, TokenGrant>
  readonly refreshTokens: Map<string, TokenGrant>
  readonly ssoSessions: Map<string, Holder>
  /** Newest first, bounded. */
  readonly pushes: PushAnswer[]
  pushCount: number
  /** Epoch ms that the newest push's `timeStamp` stands for: the next one is later, also within one millisecond. */
  lastPushTime: number
}

export function createMarketplaceState (generation: Generation): MarketplaceState {
  return {
    generation,
    faults: noFaults(),
    enterprises: new Map(),
    instances: new Map(),
    orders: new Map(),
    deliveries: new Map(),
    codes: new Map(),
    accessTokens: new Map(),
    refreshTokens: new Map(),
    ssoSessions: new Map(),
    pushes: [],
    pushCount: 0,
    lastPushTime: 0,
  }
}

export function departmentName (enterprise: Enterprise, code: string): string {
  return enterprise.departments.get(code)?.name ?? ''
}
