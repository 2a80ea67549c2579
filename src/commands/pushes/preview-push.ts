import { isDeepStrictEqual } from 'node:util'
import { applyPush } from '../../directory/apply-push.ts'
import { Secret } from '../../base/secret.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { ErasureScope } from '../../directory/erasure.ts'
import type { InstanceEvent } from '../../directory/instance.ts'
import type { TenantId } from '../../directory/model.ts'
import type { PushMessage } from '../../directory/push-message.ts'
import type { PushEffect } from '../../directory/rows.ts'
import { compareAccess, type AccessChange, type AccessQuestion } from './compare-access.ts'
import { afterWrites, collectRows, readerOf, type Rows } from './collect-rows.ts'

export interface MemberChange { readonly member: string, readonly before: unknown, readonly after: unknown }

export interface RowChange {
  readonly key: readonly string[]
  readonly change: 'new' | 'changed' | 'removed'
  readonly members: readonly MemberChange[]
}

/** What a push would do if it came now. */
export type Preview =
  | {
    readonly kind: 'changed'
    readonly rows: readonly RowChange[]
    readonly erasures: readonly ErasureScope[]
    readonly events: readonly InstanceEvent[]
    readonly access: readonly AccessChange[]
  }
  | Exclude<PushEffect, { kind: 'changed' }>

type Directory = Pick<DirectoryStore, 'export'>

/** Applies a push to a copy of the rows that it bears on and compares. Changes nothing. */
export async function previewPush (directory: Directory, push: PushMessage, question: AccessQuestion): Promise<Preview> {
  const { realm } = push
  const tenantId = push.kind === 'instance' ? '' : push.tenantId
  const near = await collectRows(directory, realm, (key) => isNear(key, tenantId))
  const effect = applyPush(push, readerOf(near))
  if (effect.kind !== 'changed') return effect
  const touched = tenantId === '' ? tenantsBound(near, effect) : new Set([tenantId])
  // Of an instance it is known only now whose accounts it bears on.
  const before = tenantId === '' && touched.size > 0
    ? new Map([...near, ...await collectRows(directory, realm, ([kind, , id]) => isAccess(kind) && touched.has(id as TenantId))])
    : near
  const after = afterWrites(before, realm, tenantId, effect.writes)
  return {
    kind: 'changed',
    rows: compareRows(before, after),
    erasures: effect.writes.flatMap((write) => write.kind === 'erasure' ? [write.planned.scope] : []),
    events: effect.events,
    access: compareAccess(before, after, touched, question),
  }
}

const isAccess = (kind: string | undefined): boolean => kind === 'account' || kind === 'binding'

function isNear ([kind, , id]: readonly string[], tenantId: TenantId | ''): boolean {
  if (kind === 'instance') return true
  return tenantId === '' ? kind === 'tenant' || kind === 'order' : kind !== 'order' && id === tenantId
}

function tenantsBound (rows: Rows, { writes }: PushEffect & { kind: 'changed' }): Set<TenantId> {
  const instances = new Set<string>(writes.flatMap((write) => {
    return write.kind === 'instance' ? [write.row.instanceId] : write.kind === 'instance-gone' ? [write.instanceId] : []
  }))
  const bound = [...rows.values()].filter(({ key }) => key[0] === 'tenant' && instances.has(key[3] ?? ''))
  return new Set(bound.map(({ key }) => key[2] as TenantId))
}

function compareRows (before: Rows, after: Rows): RowChange[] {
  const changes: RowChange[] = []
  for (const [name, { key, row }] of after) {
    const old = before.get(name)?.row
    const members = compareMembers(flatten(old), flatten(row))
    if (members.length > 0) changes.push({ key, change: old === undefined ? 'new' : 'changed', members })
  }
  for (const [name, { key, row }] of before) {
    if (!after.has(name)) changes.push({ key, change: 'removed', members: compareMembers(flatten(row), new Map()) })
  }
  return changes
}

function compareMembers (before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): MemberChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])]
  return names
    .filter((name) => !isDeepStrictEqual(plain(before.get(name)), plain(after.get(name))))
    .map((member) => ({ member, before: before.get(member), after: after.get(member) }))
}

const plain = (value: unknown): unknown => (value instanceof Secret ? value.reveal() : value)

/** `details.email` for a member inside of a member. Which message said what (`since`) is bookkeeping. */
function flatten (row: unknown, path: readonly string[] = []): Map<string, unknown> {
  if (typeof row !== 'object' || row === null || Array.isArray(row) || row instanceof Secret) {
    return row === undefined ? new Map<string, unknown>() : new Map([[path.join('.'), row]])
  }
  const inner = Object.entries(row).filter(([name]) => path.length > 0 || name !== 'since')
  return new Map(inner.flatMap(([name, value]) => [...flatten(value, [...path, name])]))
}
