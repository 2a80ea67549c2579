import { z } from 'zod'
import type { AppId, InstanceId, PushVersion, Realm, TenantId, UserName } from '../../directory/model.ts'
import type { KitReading } from './kit-interface.ts'

/** Text of at most so many characters: code points, since a person counts 𠮷 as one. */
export function text (maximum: number) {
  return z.string().regex(new RegExp(`^.{0,${maximum}}$`, 'su'))
}

/** Text that says something. */
export function filled (maximum: number) {
  return z.string().regex(new RegExp(`^.{1,${maximum}}$`, 'su'))
}

/** A member that may be left out. `null` is no value: at the top level the signed text doesn't even hold it (sync.md §3.5). */
export function optional<Schema extends z.ZodType> (schema: Schema) {
  return schema.nullish()
}

const changes = { 0: 'delete', 1: 'add', 2: 'modify', 3: 'revoke' } as const

/** `flag`: an integer in the tables, text in the marketplace's own sample. */
export function flag<Flag extends keyof typeof changes> (...allowed: Flag[]) {
  return z.union([z.number(), z.string()])
    .refine((value) => allowed.some((each) => String(each) === String(value)))
    .transform((value) => changes[Number(value) as Flag])
}

/** `yyyyMMddHHmmssSSS` in UTC+8. */
const stamp = /^\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d[0-5]\d\d{3}$/

/** What every interface has: the keys that are there even on a deletion. */
export const head = {
  // Empty while the seller applies for a credential, and then perhaps null like its neighbour orderId; but always there.
  instanceId: text(64).nullable().transform((value) => (value ?? '') as InstanceId),
  tenantId: filled(64).transform((value) => value as TenantId),
  testFlag: z.union([z.number(), z.string()])
    .refine((value) => ['0', '1'].includes(String(value)))
    .transform((value): Realm => (String(value) === '1' ? 'test' : 'production')),
  timeStamp: z.string().regex(stamp).transform((value) => value as PushVersion),
}

/**
 * The signed text doesn't say which interface was called, so a message of one, sent on to another, carries a good signature there:
 * a department's deletion would read as the enterprise's. Each schema names what only its neighbours' messages hold (T-50).
 */
export function foreign<Name extends string> (...names: Name[]) {
  const absent = z.null().optional()
  return Object.fromEntries(names.map((name) => [name, absent])) as Record<Name, typeof absent>
}

export const appId = filled(64).transform((value) => value as AppId)
export const userName = filled(64).transform((value) => value as UserName)

/** The object without the members that have no value: "absent" must not be mistaken for "cleared". */
export function present<Members extends object> (members: Members): { [Name in keyof Members]?: NonNullable<Members[Name]> } {
  const kept: Record<string, unknown> = {}
  // Not by entries: for 5000 users that alone takes 20 ms. The names are the schemas' own, none of them is `__proto__`.
  for (const name in members) if (members[name] != null) kept[name] = members[name]
  return kept as ReturnType<typeof present<Members>>
}

/**
 * Names the first member that the schema complains of. The schemas know their own names only, so no foreign text gets into the answer.
 *
 * @param parents the path of what the schema was given
 */
export function illegal (error: z.ZodError, parents: readonly (string | number)[] = []): KitReading & { readonly kind: 'illegal' } {
  const path = [...parents, ...error.issues[0]?.path ?? []]
  const member = path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index > 0 ? '.' : ''}${String(part)}`)).join('')
  return { kind: 'illegal', member: member === '' ? 'body' : member }
}
