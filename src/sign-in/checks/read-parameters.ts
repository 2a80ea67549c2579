import { z } from 'zod'
import type { TenantId } from '../../directory/model.ts'
import { passed, refused, type Check } from '../login-attempt.ts'

// A repeated parameter is an array and no text, so two codes or two tenants are refused (T-40; `login.md` Q3).
const text = z.string().min(1).max(2048)
const parameters = z.object({
  code: text.optional(), tenant: z.string().min(1).max(64).optional(), state: text.optional(), iss: text.optional(), error: text.optional(),
})

/** The callback's parameters, each at most once; a tenant or a state must say whose login it is. */
export const readParameters: Check = async ({ query }) => {
  const parsed = parameters.safeParse(query)
  if (!parsed.success) return refused('callback-malformed')
  const { code, tenant, state, iss, error } = parsed.data
  // RFC 6749 §4.1.2.1. The word is the browser's, so it goes nowhere but into the log, if it is one of the standard's kind.
  if (error !== undefined) return refused('authorization-denied', /^\w{1,48}$/.test(error) ? { error } : undefined)
  if (code === undefined || (tenant === undefined && state === undefined)) return refused('callback-malformed')
  return passed({
    code,
    ...(tenant === undefined ? {} : { claimedTenantId: tenant as TenantId }),
    ...(state === undefined ? {} : { state }),
    ...(iss === undefined ? {} : { issuer: iss }),
  })
}
