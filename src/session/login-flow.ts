import type { Brand } from '../base/brand.ts'
import type { AppId, Principal, PushVersion, TenantId } from '../directory/model.ts'
import type { TokenSet } from './session.ts'

/** SHA-256 of the value in the flow cookie or in the confirm cookie. */
export type FlowRef = Brand<'FlowRef'>

/** One pending authorization request in one browser; one-time. */
export interface LoginFlow {
  readonly ref: FlowRef
  /** `unified`: by the marketplace's login page, which knows no state. `authorize`: by our own request with `state` (RFC 6749 §4.1.1). */
  readonly kind: 'unified' | 'authorize'
  readonly appId: AppId
  /** Known only for `authorize`; the callback must name no other (T-43). */
  readonly tenantId?: TenantId
  readonly returnTo: string
  /** Of an `authorize` flow with PKCE (RFC 7636 §4.1); the store keeps it sealed. */
  readonly codeVerifier?: string
  /** Epoch ms. */
  readonly startedAt: number
  readonly expiresAt: number
}

/** What ties a login to the person at the browser: our own `state`, a login that this browser began, or the person's word. */
export type LoginProof = 'state' | 'marker' | 'confirmation'

/** A checked login that waits for the person's word: "continue as …?", or which purchase to work in. One-time. */
export interface PendingConfirmation {
  readonly ref: FlowRef
  readonly principal: Principal
  readonly knownLoss: PushVersion | ''
  readonly clientId: string
  readonly tokens: TokenSet
  readonly returnTo: string
  /** Who it is has been settled by this: what is left is the choice of a purchase. */
  readonly provenBy?: LoginProof
  /** The round was counted when it was started anew. */
  readonly isCounted?: true
  readonly expiresAt: number
}

/** Flows and confirmations by the hash of the browser's secret; sealed at rest, gone when consumed or expired. */
export interface LoginFlowStore {
  saveFlow (flow: LoginFlow): Promise<void>
  /** Reads without consuming, to choose among several tabs' flows. */
  findFlow (ref: FlowRef): Promise<LoginFlow | undefined>
  /** Reads and deletes in one atomic step: of two callbacks at once only one gets the flow. */
  consumeFlow (ref: FlowRef): Promise<LoginFlow | undefined>
  saveConfirmation (confirmation: PendingConfirmation): Promise<void>
  findConfirmation (ref: FlowRef): Promise<PendingConfirmation | undefined>
  consumeConfirmation (ref: FlowRef): Promise<PendingConfirmation | undefined>
  /** `true` for the first caller with this digest, `false` for every other until `expiresAt`: a code is sent once (C-7). */
  claimCode (codeDigest: string, expiresAt: number): Promise<boolean>
  /** Whether somebody has claimed it. What rests on that alone happens twice if two ask at once. */
  isClaimed (codeDigest: string): Promise<boolean>
  /** Forgets what expired before `now` (epoch ms); returns how many. */
  sweep (now: number): Promise<number>
}
