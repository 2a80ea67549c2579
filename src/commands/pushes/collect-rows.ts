import { Secret } from '../../base/secret.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { Realm, TenantId } from '../../directory/model.ts'
import type { RowReader, RowWrite } from '../../directory/rows.ts'
import { keyOf } from '../../storage/lmdb/lmdb-directory-rows.ts'

export interface KeyedRow { readonly key: readonly string[], readonly row: unknown }

/** Rows of a directory by their keys in JSON. */
export type Rows = ReadonlyMap<string, KeyedRow>

const afterKey = '],"row":'

/** The wanted rows of one realm. Goes through all of them: it is for a person who asks once. */
export async function collectRows (
  directory: Pick<DirectoryStore, 'export'>, realm: Realm, isWanted: (key: readonly string[]) => boolean,
): Promise<Rows> {
  const rows = new Map<string, KeyedRow>()
  for await (const line of directory.export(realm)) {
    // A quote inside of a text is escaped, so this can't be found too early. Most rows are not wanted and need no parsing.
    const keyText = line.slice('{"key":'.length, line.indexOf(afterKey) + 1)
    const key = JSON.parse(keyText) as string[]
    if (isWanted(key)) rows.set(JSON.stringify(key), { key, row: revive(key, (JSON.parse(line) as KeyedRow).row) })
  }
  return rows
}

function revive (key: readonly string[], row: unknown): unknown {
  const { clientSecret } = row as { clientSecret?: string }
  return key[0] === 'binding' && clientSecret !== undefined ? { ...row as object, clientSecret: new Secret(clientSecret) } : row
}

export function readerOf (rows: Rows): RowReader {
  const find = <Row>(...key: string[]): Row | undefined => rows.get(JSON.stringify(key))?.row as Row | undefined
  return {
    tenant: (...key) => find('tenant', ...key),
    binding: (...key) => find('binding', ...key),
    account: (...key) => find('account', ...key),
    department: (...key) => find('department', ...key),
    departmentList: (...key) => find('department-list', ...key),
    instance: (...key) => find('instance', ...key),
    order: (realm, { orderId, orderLineId }) => find('order', realm, orderId, orderLineId),
  }
}

/** The rows as they would be after these writes. */
export function afterWrites (rows: Rows, realm: Realm, tenantId: TenantId | '', writes: readonly RowWrite[]): Rows {
  const after = new Map(rows)
  for (const write of writes) {
    if (write.kind === 'erasure') continue
    const key = keyOf(realm, tenantId, write)
    if (write.kind === 'instance-gone') after.delete(JSON.stringify(key))
    else after.set(JSON.stringify(key), { key, row: write.kind === 'order' ? write.instanceId : write.row })
  }
  return after
}
