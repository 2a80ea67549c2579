import type { ErasureScope, ErasureSummary, PlannedErasure } from '../directory/erasure.ts'
import type { Instance } from '../directory/instance.ts'
import type { PushedRow } from '../directory/model.ts'

/** The row that a plan stands and falls with: the instance, the tenant or the account that it names; `undefined` if there is none. */
export type ErasedSubject = Instance | PushedRow | undefined

/** A newer deletion has a plan of its own, and its own time to wait. A release counts once. */
export function isStillGone ({ scope, version }: PlannedErasure, subject: ErasedSubject): boolean {
  if (subject === undefined) return false
  if (scope.kind === 'instance') return 'released' in subject && subject.released !== ''
  return 'isDeleted' in subject && subject.isDeleted && subject.version <= version
}

/** The instance without its personal parts: its release must go on to be answered. `undefined` if it has none. */
export function redact (instance: Instance | undefined): Instance | undefined {
  if (instance === undefined || (instance.buyer === undefined && instance.access.memo === undefined)) return undefined
  const { buyer, access: { memo, ...access }, ...rest } = instance
  return { ...rest, access }
}

export type ErasedCounts = Pick<ErasureSummary, 'tenants' | 'bindings' | 'accounts' | 'departments'>

export function summarise ({ scope, version }: PlannedErasure, counts: ErasedCounts): ErasureSummary {
  return { ...aboutOf(scope), ...counts, version }
}

function aboutOf (scope: ErasureScope): Pick<ErasureSummary, 'kind' | 'tenantId' | 'instanceId'> {
  const { kind, instanceId } = scope
  return { kind, ...(kind !== 'instance' && { tenantId: scope.tenantId }), instanceId }
}
