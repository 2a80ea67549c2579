import type { Role } from '../directory/model.ts'

/** A department of the simulator's enterprises. The same few everywhere: enough to see `orgCode` travel. */
export interface Department {
  readonly code: string
  readonly name: string
}

export const departments: readonly [Department, ...Department[]] = [
  { code: '10001', name: '总经理办公室 Management' },
  { code: '10002', name: '研发部 Engineering' },
  { code: '10003', name: '市场部 Marketing' },
  { code: '10004', name: '财务部 Finance' },
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

/** An enterprise, its one purchase of the application and, while bound, the OAuth client made for it. */
export interface Enterprise {
  readonly tenantId: string
  /** The part behind `@` of an account; the `tenantCode` of the pushes. */
  readonly code: string
  readonly name: string
  readonly instanceId: string
  readonly orderId: string
  /** `undefined` while the application isn't bound to the enterprise. */
  client: { readonly clientId: string, readonly clientSecret: string } | undefined
  readonly members: Map<string, Member>
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

/** What the application answered to one push, and what was sent. */
export interface PushAnswer {
  /** 1 for the first push of this marketplace. */
  readonly number: number
  /** Epoch ms. */
  readonly sentAt: number
  /** The interface, such as `authSync`. */
  readonly name: string
  readonly flag: number
  /** In words, what the buyer did. */
  readonly occasion: string
  readonly body: string
  /** 0 if no answer came. */
  readonly httpStatus: number
  readonly resultCode: string
  readonly resultMsg: string
  readonly bodySign: 'verified' | 'missing' | 'wrong'
  /** As the marketplace counts it: HTTP 200 and `000000` (sync.md §0.4). */
  readonly isSuccess: boolean
}

/** Everything that lasts while the simulator runs; nothing outlives the process. */
export interface MarketplaceState {
  /** By code. */
  readonly enterprises: Map<string, Enterprise>
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

export function createMarketplaceState (): MarketplaceState {
  return {
    enterprises: new Map(),
    codes: new Map(),
    accessTokens: new Map(),
    refreshTokens: new Map(),
    ssoSessions: new Map(),
    pushes: [],
    pushCount: 0,
    lastPushTime: 0,
  }
}

export function departmentName (code: string): string {
  return departments.find((department) => department.code === code)?.name ?? ''
}
