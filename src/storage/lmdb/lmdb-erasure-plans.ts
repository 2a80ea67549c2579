import type { Database, RootDatabase } from 'lmdb'
import type { ErasureScope, PlannedErasure } from '../../directory/erasure.ts'
import type { PushVersion } from '../../directory/model.ts'
import type { PreparedBatch } from './prepared-batch.ts'

/** What waits to be erased, by the message's version: the oldest is due first. */
export interface ErasurePlans {
  stage (batch: PreparedBatch, planned: PlannedErasure): void
  stageRemoval (batch: PreparedBatch, planned: PlannedErasure): void
  listBefore (before: PushVersion, limit: number): PlannedErasure[]
}

export function openErasurePlans (environment: RootDatabase): ErasurePlans {
  const plans: Database<PlannedErasure, string[]> = environment.openDB('erasure-plans', { encoding: 'msgpack' })
  return {
    stage: (batch, planned) => { batch.put(plans, keyOf(planned), planned) },
    stageRemoval: (batch, planned) => { batch.remove(plans, keyOf(planned)) },
    listBefore: (before, limit) => [...plans.getRange({ end: [before], limit })].map(({ value }) => value),
  }
}

/** The same message told twice is one plan. */
function keyOf ({ version, scope }: PlannedErasure): string[] {
  return [version, ...partsOf(scope)]
}

function partsOf (scope: ErasureScope): string[] {
  switch (scope.kind) {
    case 'instance': return ['instance', scope.instanceId]
    case 'tenant': return ['tenant', scope.tenantId, scope.instanceId]
    case 'account': return ['account', scope.tenantId, scope.appId, scope.userName, scope.instanceId]
  }
}
