import { SignJWT, type CryptoKey, type KeyObject } from 'jose'
import type { ErasureSummary } from '../directory/erasure.ts'

export interface ReceiptSigner {
  readonly kid: string
  readonly privateKey: CryptoKey | KeyObject
  /** The gateway's public origin: who says so. */
  readonly issuer: string
}

/** Says what the token is, so that it can't be taken for an identity (RFC 8725 §3.11). */
const receiptType = 'erasure-receipt+jwt'

/** A receipt that anybody can verify with the gateway's published keys: what was erased, when and why, no personal value. */
export async function signErasureReceipt (signer: ReceiptSigner, summary: ErasureSummary, erasedAt: number): Promise<string> {
  const { kind, tenantId, instanceId, version, ...rows } = summary
  const tenant = tenantId === undefined ? {} : { tenant: tenantId }
  return await new SignJWT({ scope: kind, ...tenant, instance: instanceId, asked_for_at: version, rows })
    .setProtectedHeader({ alg: 'ES256', kid: signer.kid, typ: receiptType })
    .setIssuer(signer.issuer)
    .setIssuedAt(Math.floor(erasedAt / 1000))
    .sign(signer.privateKey)
}
