import { z } from 'zod'
import type { InstanceUsage, ProvisioningReport } from '../directory/instance.ts'
import type { InstanceId } from '../directory/model.ts'
import type { CallOutcome } from './bounded-call.ts'

export type HookFailure = Extract<CallOutcome, { kind: 'failed' }>['why'] | 'status' | 'not-json' | 'member'

export interface FailedAnswer {
  readonly kind: 'failed'
  readonly why: HookFailure
  readonly status?: number
  /** The path of the member that broke a rule. */
  readonly member?: string
  readonly cause?: unknown
}

export type HookAnswer =
  | {
    readonly kind: 'report'
    readonly report: ProvisioningReport
    /** Most often a misspelt name. */
    readonly unknownMembers: readonly string[]
  }
  | { readonly kind: 'pending', readonly retryAfterSeconds?: number }
  | FailedAnswer

const webAddress = z.string().max(512).refine((text) => /^https?:\/\/[^\s\p{Cc}]+$/u.test(text) && URL.canParse(text))
const time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text))

// Lengths are those of the marketplace's tables (sync.md §4.2): what is longer could not be passed on.
const usage = z.object({
  // Double(12,4)
  usageValue: z.number().min(0).lt(100_000_000),
  statisticalTime: time,
  relatedInstanceId: z.string().min(1).max(64).nullish(),
  dashboardUrl: webAddress.nullish(),
})

const ready = z.object({
  status: z.literal('ready'),
  // Lists of ids travel with commas between them.
  instanceId: z.string().regex(/^[\w.:-]{1,64}$/).nullish(),
  frontEndUrl: webAddress.nullish(),
  adminUrl: webAddress.nullish(),
  memo: z.string().max(1024).nullish(),
  usage: z.array(usage).max(100).nullish(),
})
const pending = z.object({ status: z.literal('pending'), retryAfterSeconds: z.number().min(0).nullish() })
const refused = z.object({ status: z.literal('refused'), reason: z.string().min(1).max(255) })

const forms = { ready, pending, refused }

/** What the hook's answer to an event means; anything that breaks the agreement is a failure and asked again. */
export function readHookAnswer (outcome: CallOutcome): HookAnswer {
  const body = readBody(outcome)
  if (body.kind === 'failed') return body
  // Heard, without news.
  if (body.kind === 'empty') return body.status === 202 ? { kind: 'pending' } : { kind: 'report', report: { kind: 'ready' }, unknownMembers: [] }
  const { members } = body
  const status = z.object({ status: z.enum(['ready', 'pending', 'refused']) }).safeParse(members)
  if (!status.success) return brokenMember(status.error)
  const form = forms[status.data.status]
  const parsed = form.safeParse(members)
  if (!parsed.success) return brokenMember(parsed.error)
  return meaningOf(parsed.data, Object.keys(members).filter((name) => !(name in form.shape)))
}

type ReadBody =
  | { readonly kind: 'members', readonly members: Record<string, unknown> }
  | { readonly kind: 'empty', readonly status: number }
  | FailedAnswer

/** The JSON object in a 2xx answer. Redirects, 410 and all other statuses are failures alike. */
export function readBody (outcome: CallOutcome): ReadBody {
  if (outcome.kind === 'failed') return outcome
  const { status, body } = outcome
  if (status < 200 || status > 299) return { kind: 'failed', why: 'status', status }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(body).trim()
    if (text === '') return { kind: 'empty', status }
    const parsed = z.record(z.string(), z.unknown()).safeParse(JSON.parse(text))
    if (parsed.success) return { kind: 'members', members: parsed.data }
  } catch { /* neither UTF-8 nor JSON: as if it were another kind of JSON */ }
  return { kind: 'failed', why: 'not-json', status }
}

export function brokenMember (error: z.ZodError): FailedAnswer {
  return { kind: 'failed', why: 'member', member: error.issues[0]?.path.join('.') ?? '' }
}

type Parsed = z.output<typeof ready> | z.output<typeof pending> | z.output<typeof refused>

function meaningOf (answer: Parsed, strangers: readonly string[]): HookAnswer {
  const unknownMembers = strangers.slice(0, 5).map((name) => name.slice(0, 64))
  switch (answer.status) {
    case 'refused': return { kind: 'report', report: { kind: 'refused', reason: answer.reason }, unknownMembers }
    case 'pending': return { kind: 'pending', ...present({ retryAfterSeconds: answer.retryAfterSeconds }) }
    case 'ready': {
      const { instanceId, frontEndUrl, adminUrl, memo } = answer
      const members = present({ frontEndUrl, adminUrl, memo, instanceId: instanceId as InstanceId | null | undefined })
      const usage = answer.usage?.map((item): InstanceUsage => present(item) as InstanceUsage)
      return { kind: 'report', report: { kind: 'ready', ...members, ...present({ usage }) }, unknownMembers }
    }
  }
}

type Present<Members> = { [Name in keyof Members]?: NonNullable<Members[Name]> }

/** Many JSON writers put `null` for what is absent. */
function present<Members extends object> (members: Members): Present<Members> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined && value !== null)) as Present<Members>
}
