import { z } from 'zod'
import type { PushedDepartment } from '../../directory/push-message.ts'
import { filled, optional, present, text } from './wire-members.ts'

export const departmentCode = filled(64)

const name = filled(128)
const parentCode = optional(text(64))

/** `OrgName` in an older copy of the page, `name` in V1 (sync.md §1.6). */
function underOneName (wire: unknown): unknown {
  if (typeof wire !== 'object' || wire === null || Array.isArray(wire)) return wire
  const { orgCode, orgName, OrgName, name, parentCode } = wire as Record<string, unknown>
  return { orgCode, orgName: orgName ?? OrgName ?? name, parentCode }
}

export const wholeDepartment = z.preprocess(underOneName, z.object({ orgCode: departmentCode, orgName: name, parentCode }))

export const changedDepartment = z.preprocess(underOneName, z.object({ orgCode: departmentCode, orgName: optional(name), parentCode }))

/**
 * A parent that is left out is none, also on a modification: V1 doesn't sign an empty member, so there the two can't differ
 * (sync.md §3.1), and there is no other word for "moved to the top".
 */
export function toDepartment ({ orgCode, orgName, parentCode }: z.infer<typeof changedDepartment>): PushedDepartment {
  return { code: orgCode, ...present({ name: orgName }), parentCode: parentCode ?? '' }
}
