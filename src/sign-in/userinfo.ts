import { z } from 'zod'
import type { TenantId, UserName } from '../directory/model.ts'

export interface Userinfo {
  readonly userName: UserName
  /** Absent in two of the marketplace's four samples (`login.md` §2.1). */
  readonly tenantId: TenantId | undefined
}

const filled = z.string().min(1).max(256).optional().catch(undefined)
// The sister platform writes names with an underscore (`login.md` Q18).
const wire = z.object({ userName: filled, user_name: filled, tenant: z.string().max(256).optional() })

/**
 * The two members that a decision rests on. Name, role and department are the pushes' (a signed channel, `login.md` Q8); mail and
 * phone never identify anybody (C-12). `undefined` if nobody is named or the tenant is no text.
 */
export function parseUserinfo (body: unknown): Userinfo | undefined {
  const parsed = wire.safeParse(body)
  const userName = parsed.data?.userName ?? parsed.data?.user_name
  if (userName === undefined) return undefined
  const tenantId = parsed.data?.tenant === '' ? undefined : parsed.data?.tenant
  return { userName: userName as UserName, tenantId: tenantId as TenantId | undefined }
}
