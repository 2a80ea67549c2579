import { parseArgs } from 'node:util'
import type { TenantId, UserName } from '../directory/model.ts'
import { endSessionsIn, listSessions, type SessionFacts } from '../session/list-sessions.ts'
import { shortRef, type Session } from '../session/session.ts'
import type { SessionScope } from '../session/session-store.ts'
import { joinValues } from './join-values.ts'
import { alignColumns, printJson, printLines } from './print-lines.ts'
import { maskText } from './pushes/mask-members.ts'
import { exitCodes, printUsage } from './report.ts'
import { withStore, withWritableStore, type OpenedStore, type WritableStore } from './with-store.ts'

const usage = `Usage: jointgate sessions list [--tenant ID [--user NAME]] [--personal] [--json]
       jointgate sessions end --all | --tenant ID [--user NAME] | --ref REF [--personal]

  list      who is signed in: everybody, one enterprise, one account
  end       ends sessions, also beside a running gateway: their next request is turned away

REF is a session's name in the list and in the log, or its beginning (8 signs at least). Names are masked unless --personal asks for them.
`

const refForm = /^[\w-]{8,43}$/

const options = {
  all: { type: 'boolean', default: false },
  tenant: { type: 'string' },
  user: { type: 'string' },
  ref: { type: 'string' },
  personal: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

type Command = NonNullable<ReturnType<typeof parse>>

/** `sessions` and the words behind it. */
export async function sessions (words: readonly string[]): Promise<number> {
  const command = parse(words)
  if (command === undefined) return printUsage(usage, words)
  if (command.verb === 'list') return await withStore((store) => list(store, command))
  return await withWritableStore((store) => end(store, command))
}

function parse ([verb, ...args]: readonly string[]) {
  try {
    const { values } = parseArgs({ args: joinValues(args, options), options })
    const { all, tenant, user, ref, json } = values
    const named = [all, tenant !== undefined, ref !== undefined].filter(Boolean).length
    if (user !== undefined && tenant === undefined) return undefined
    if (verb === 'list') return named > 1 || all || ref !== undefined ? undefined : { verb, ...values } as const
    // To end all of them must be said: no word left out may mean it.
    if (verb !== 'end' || named !== 1 || json) return undefined
    return ref !== undefined && !refForm.test(ref) ? undefined : { verb, ...values } as const
  } catch {
    // Words that parseArgs doesn't know: the usage says which there are.
    return undefined
  }
}

function scopeOf ({ tenant, user }: Command, { config }: Pick<OpenedStore, 'config'>): SessionScope {
  if (tenant === undefined) return { kind: 'all' }
  const tenantId = tenant as TenantId
  return user === undefined ? { kind: 'tenant', tenantId } : { kind: 'user', tenantId, appId: config.application.id, userName: user as UserName }
}

async function list ({ storage, config, clock }: OpenedStore, command: Command): Promise<number> {
  const deps = { sessions: storage.sessions, clock, limits: config.session }
  const found: SessionFacts[] = []
  for await (const facts of listSessions(deps, scopeOf(command, { config }))) found.push(facts)
  found.sort((a, b) => b.lastSeenAt - a.lastSeenAt)
  const rows = found.map((facts) => rowOf(facts, command))
  if (command.json) printJson(rows)
  else if (rows.length === 0) printLines(['Nobody is signed in.'])
  else printLines(alignColumns([['session', 'tenant', 'account', 'signed in', 'last seen', 'ends'], ...rows.map((row) => Object.values(row))]))
  return exitCodes.ok
}

async function end ({ storage, config }: WritableStore, command: Command): Promise<number> {
  const tell = (session: Session): void => {
    const { ref, tenant, account } = rowOf(session, command)
    printLines([`ended ${ref} of ${account} of ${tenant}`])
  }
  const { ref } = command
  if (ref !== undefined) return await endOne(storage.sessions, ref, tell)
  const ended = await endSessionsIn(storage, scopeOf(command, { config }), tell)
  printLines([ended === 1 ? '1 session has ended.' : `${ended} sessions have ended.`])
  return exitCodes.ok
}

async function endOne (store: WritableStore['storage']['sessions'], ref: string, tell: (session: Session) => void): Promise<number> {
  const found: Session[] = []
  for await (const session of store.list({ kind: 'all' })) if (session.ref.startsWith(ref)) found.push(session)
  const [session, ...others] = found
  if (session === undefined || others.length > 0) {
    process.stderr.write(session === undefined ? 'There is no such session.\n' : `${found.length} sessions begin so: give more of the name.\n`)
    return exitCodes.fault
  }
  if (await store.end(session.ref)) tell(session)
  return exitCodes.ok
}

/** A ref is a hash: it names a session and opens none. */
function rowOf ({ ref, tenantId, userName, createdAt, lastSeenAt, endsAt }: SessionFacts, { personal, json }: Command) {
  const time = (at: number): string => new Date(at).toISOString()
  return {
    ref: json ? ref : shortRef(ref),
    tenant: tenantId,
    account: personal ? userName : maskText(userName),
    signedInAt: time(createdAt),
    lastSeenAt: time(lastSeenAt),
    endsAt: time(endsAt),
  }
}
