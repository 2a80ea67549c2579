import { faults } from '../../base/coded-errors.ts'
import type { SealedBox } from '../../base/sealed-box.ts'
import { Secret } from '../../base/secret.ts'
import type { Buyer, Instance } from '../../directory/instance.ts'
import type { ClientBinding } from '../../directory/model.ts'
import type { RowWrite } from '../../directory/rows.ts'

/**
 * Kind, realm, then for the rows of a tenant: tenant and, as far as the kind has them, application, account and department, where
 * the instance is last but for a department's code. A tenant is one contiguous range of each kind.
 */
export type RowKey = string[]

/** A row as it is stored; what is sealed in it is opened by its key. */
export interface StoredRow { readonly key: RowKey, readonly stored: unknown }

export type DirectoryWrite = Exclude<RowWrite, { kind: 'erasure' }>

type StoredBinding = Omit<ClientBinding, 'clientSecret'> & { sealedSecret: Buffer | undefined }
/** Who bought it, and the memo: sellers put first passwords there. */
interface Personal { buyer?: Buyer, memo?: string }
type StoredInstance = Omit<Instance, 'buyer'> & { sealedPersonal: Buffer | undefined }

export interface RowSeal {
  seal: (key: RowKey, write: Extract<DirectoryWrite, { row: unknown }>) => unknown
  /** @throws `GW_STORAGE_CORRUPT` if no key opens what is sealed in the row */
  open: (row: StoredRow) => unknown
}

/** What of the directory's rows is sealed at rest. A sealed part opens only in the row that it was written for. */
export function createRowSeal (box: SealedBox): RowSeal {
  const sealText = (key: RowKey, text: string | undefined): Buffer | undefined =>
    text === undefined ? undefined : box.seal(text, contextOf(key))

  const openText = (key: RowKey, sealed: Buffer | undefined): string | undefined => {
    if (sealed === undefined) return undefined
    const opened = box.open(sealed, contextOf(key))
    if (opened === undefined) throw new faults.StorageCorrupt()
    return opened.toString()
  }

  const openBinding = (key: RowKey, { sealedSecret, ...rest }: StoredBinding): ClientBinding => {
    const secret = openText(key, sealedSecret)
    return { ...rest, clientSecret: secret === undefined ? undefined : new Secret(secret) }
  }

  const sealInstance = (key: RowKey, { buyer, access: { memo, ...access }, ...rest }: Instance): StoredInstance => {
    const personal = { ...(buyer && { buyer }), ...(memo !== undefined && { memo }) } satisfies Personal
    return { ...rest, access, sealedPersonal: sealText(key, Object.keys(personal).length > 0 ? JSON.stringify(personal) : undefined) }
  }

  const openInstance = (key: RowKey, { sealedPersonal, access, ...rest }: StoredInstance): Instance => {
    const { buyer, memo } = JSON.parse(openText(key, sealedPersonal) ?? '{}') as Personal
    return { ...rest, access: { ...access, ...(memo !== undefined && { memo }) }, ...(buyer && { buyer }) }
  }

  return {
    seal (key, write) {
      if (write.kind === 'instance') return sealInstance(key, write.row)
      if (write.kind !== 'binding') return write.row
      const { clientSecret, ...rest } = write.row
      return { ...rest, sealedSecret: sealText(key, clientSecret?.reveal()) } satisfies StoredBinding
    },

    open ({ key, stored }) {
      if (key[0] === 'binding') return openBinding(key, stored as StoredBinding)
      if (key[0] === 'instance') return openInstance(key, stored as StoredInstance)
      return stored
    },
  }
}

function contextOf (key: RowKey): string {
  return `directory:${JSON.stringify(key)}`
}
