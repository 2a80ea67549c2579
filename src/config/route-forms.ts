import { parse } from 'yaml'
import { z } from 'zod'
import type { Role } from '../directory/model.ts'
import type { RouteRule } from '../forward/route-table.ts'
import { booleanForm, choiceForm, Complaint, form, integerForm, listOf } from './forms.ts'
import { nearestName } from './nearest-name.ts'
import { ruleComplaints } from './rule-complaints.ts'
import { upstreamForm } from './upstream-forms.ts'

const hostForm = form((input) => {
  const host = typeof input === 'string' ? input.toLowerCase() : ''
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(host) ? host : new Complaint('must be a host name without a port, such as api.example.com')
})

/** Characters that stand for themselves in every path and in no pattern (RFC 3986 §3.3): what is written is what is compared. */
const literalPath = /^\/(?:[\w.~@,:=&-]+(?:\/[\w.~@,:=&-]+)*\/?)?$/
/** Dot segments, and parameters as routers write them (`/users/:id`). */
const noLiteral = /\/(?:\.{1,2}(?:\/|$)|:)/

const pathForm = form((input) => {
  const isLiteral = typeof input === 'string' && input.length <= 1024 && literalPath.test(input) && !noLiteral.test(input)
  return isLiteral ? input : new Complaint('must be a literal path such as /admin, which stands for all that is under it: no "%", "?", "*", ":name" or dot segment')
})

const rolesForm = form((input): Role[] | Complaint => {
  const roles = listOf(input)
  const isKnown = roles?.every((role): role is Role => role === 'admin' || role === 'user') === true
  return isKnown ? [...new Set(roles)] : new Complaint('must be a list of roles: admin, user')
})

const ruleForm = z.strictObject({
  path: pathForm,
  host: hostForm.optional(),
  access: choiceForm(['signed-in', 'public', 'nobody']).optional(),
  roles: rolesForm.optional(),
  preflight: booleanForm.optional(),
  upstream: upstreamForm.optional(),
  timeoutSeconds: integerForm(1, 86_400).optional(),
  accessToken: booleanForm.optional(),
}).transform(({ host, access, roles, preflight, upstream, timeoutSeconds, accessToken, path }): RouteRule =>
  ({ host, path, access, roles, preflight, upstream, timeoutSeconds, accessToken }))

const ruleKeys = ['path', 'host', 'access', 'roles', 'preflight', 'upstream', 'timeoutSeconds', 'accessToken']

/** A YAML list of rules; in a variable its text. */
export const routesForm = z.unknown().transform((input, context): RouteRule[] => {
  const written = typeof input === 'string' ? parseYaml(input) : input
  const parsed = z.array(ruleForm).safeParse(written ?? [])
  const complaints = parsed.success ? ruleComplaints(parsed.data) : parsed.error.issues.flatMap(complaintsOf)
  for (const { path, must } of complaints) context.issues.push({ code: 'custom', path: [...path], message: must, input: undefined })
  return parsed.success && complaints.length === 0 ? parsed.data : z.NEVER
})

function complaintsOf (issue: z.core.$ZodIssue): { path: PropertyKey[], must: string }[] {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const nearest = nearestName(key, ruleKeys)
      return { path: [...path, key], must: `there is no such key${nearest === undefined ? '' : `; did you mean ${nearest}?`}` }
    })
  }
  if (path.length === 0) return [{ path, must: 'must be a list of rules, in a variable as YAML: [{ path: /admin, roles: [admin] }]' }]
  return [{ path, must: path.length === 1 ? 'must be a rule, such as { path: /admin, roles: [admin] }' : issue.message }]
}

function parseYaml (text: string): unknown {
  try {
    return parse(text)
  } catch {
    return text
  }
}
