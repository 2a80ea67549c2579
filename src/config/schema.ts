import { z } from 'zod'
import { contractPolicies } from '../directory/contract.ts'
import type { AppId } from '../directory/model.ts'
import {
  booleanForm, calledUrlForm, choiceForm, domainSuffixesForm, integerForm, linkForm, listenForm, optionalTextForm, originForm, prefixForm,
  publicUrlForm, storageForm, textForm, unifiedLoginUrlForm,
} from './forms.ts'
import { accessKeysForm, privateKeysForm, sealingKeysForm, secretForm, webhookSecretsForm } from './key-forms.ts'

/** What stands beside each key: the variable that sets it and its meaning in one or two sentences. */
export interface SettingNote {
  readonly variable: string
  readonly meaning: string
  readonly default?: string
  /** What stands for the default in the manual where it isn't a fixed text. */
  readonly fallback?: string
}

function note<Form extends z.ZodType> (form: Form, variable: string, meaning: string, fallback?: string): Form {
  return form.meta({ variable: `JOINTGATE_${variable}`, meaning, ...(fallback === undefined ? {} : { fallback }) })
}

function withDefault<Form extends z.ZodType> (form: Form, variable: string, value: string, meaning: string) {
  // Before parsing, so that a default goes the way that a written value goes.
  return form.prefault(value as z.input<Form>).meta({ variable: `JOINTGATE_${variable}`, default: value, meaning })
}

const listen = z.strictObject({
  public: withDefault(listenForm, 'LISTEN', '127.0.0.1:8080', 'Address and port for browsers and for the marketplace. Behind a reverse proxy or in a container use `0.0.0.0:8080`.'),
  operator: withDefault(listenForm, 'OPERATOR_LISTEN', '127.0.0.1:8081', 'Address and port of the operator listener: health and the operator console, which asks for no login. Keep it away from the public.'),
})

const signIn = z.strictObject({
  direct: withDefault(booleanForm, 'SIGN_IN_DIRECT', 'false', '`true` leads straight on to the marketplace instead of showing the login page with its button, unless another site sent the browser.'),
  statelessCallback: withDefault(choiceForm(['confirm', 'restart']), 'SIGN_IN_STATELESS_CALLBACK', 'confirm', 'What happens to a login that this browser did not start here: `confirm` asks "continue as …?", `restart` drops the code and starts an own login with `state` at the tenant\'s authorization server.'),
  redirectUri: withDefault(choiceForm(['as-registered', 'with-tenant', 'omit']), 'SIGN_IN_REDIRECT_URI', 'as-registered', 'The `redirect_uri` of the token request: the callback as registered, the callback with the `tenant` parameter that the marketplace adds, or none.'),
  scope: withDefault(textForm, 'SIGN_IN_SCOPE', 'get_user_info', 'The scope of the gateway\'s own authorization requests.'),
  clientAuthentication: withDefault(choiceForm(['body', 'basic']), 'SIGN_IN_CLIENT_AUTHENTICATION', 'body', 'How the client secret travels to the token endpoint: in the form body (the marketplace\'s way) or by HTTP Basic.'),
})

const session = z.strictObject({
  idleTimeoutSeconds: withDefault(integerForm(1, 86_400), 'SESSION_IDLE_TIMEOUT_SECONDS', '3600', 'A session without a request for this long is over (NIST SP 800-63B AAL2: at most an hour).'),
  absoluteTimeoutSeconds: withDefault(integerForm(1, 604_800), 'SESSION_ABSOLUTE_TIMEOUT_SECONDS', '43200', 'A session is over this long after sign-in, whatever happens in it (AAL2: at most 24 hours).'),
  renewalGraceSeconds: withDefault(integerForm(0, 3_600), 'SESSION_RENEWAL_GRACE_SECONDS', '300', 'How long a session outlives its access token while the authorization server does not answer.'),
}).refine((area) => area.idleTimeoutSeconds <= area.absoluteTimeoutSeconds, {
  error: 'must not be longer than session.absoluteTimeoutSeconds', path: ['idleTimeoutSeconds'],
})

const policies = choiceForm(contractPolicies)

/** What a purchase's state means at the door. */
function contractArea (allowHttp: boolean) {
  return z.strictObject({
    graceDays: withDefault(integerForm(0, 90), 'CONTRACT_GRACE_DAYS', '1', 'Days of grace between the end of the paid time and the state "expired": a renewal may be on its way. 0: none.'),
    grace: withDefault(policies, 'CONTRACT_GRACE', 'full', 'What the days of grace mean at the door: `full` (in), `read-only` (in, and `x-identity-access` says so: the application keeps it), `renew` (out, with the way to renew) or `refuse` (out).'),
    expired: withDefault(policies, 'CONTRACT_EXPIRED', 'renew', 'The same for a purchase whose days of grace are over.'),
    frozen: withDefault(policies, 'CONTRACT_FROZEN', 'renew', 'The same for a purchase that the marketplace froze (overdue, or a violation). With `renew` or `refuse` a freeze ends sessions for good: lifting it revives none.'),
    released: withDefault(policies, 'CONTRACT_RELEASED', 'refuse', 'The same for a purchase that the marketplace released (cancelled, or not renewed in time).'),
    renewUrl: withDefault(linkForm(allowHttp), 'CONTRACT_RENEW_URL', 'https://account.huaweicloud.com/usercenter/#/userindex/renewalManagement', 'Where the "renew" button leads: the renewals of Huawei Cloud\'s billing centre (费用中心 → 续费管理), or a page of your own.'),
  })
}

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const

/**
 * Every setting, by area. Unknown keys are errors, which finds misspelt ones. `docs/configuration.md` is written from this file.
 *
 * @param allowHttp whether `dangerouslyAllowHttp` is on: it decides what an address may be
 */
export function createConfigSchema ({ allowHttp }: { allowHttp: boolean }) {
  return z.strictObject({
    listen,
    storage: withDefault(storageForm, 'STORAGE', 'lmdb:./data', 'Where everything is kept: `lmdb:DIRECTORY`, relative to the working directory.'),
    secretKeys: note(sealingKeysForm, 'SECRET_KEYS', 'Keys that seal stored secrets and sessions: a comma list of base64 keys of 32 bytes. The first seals, all open; so a new one is put in front, and the old one is taken away when nothing sealed with it is left.'),
    application: z.strictObject({
      id: note(textForm.transform((id) => id as AppId), 'APP_ID', 'The `appId` of the application credential (应用凭证) in the seller centre.'),
      name: note(textForm.optional(), 'APPLICATION_NAME', 'The application\'s name on the gateway\'s pages.', 'host of the public URL'),
      publicUrl: note(publicUrlForm(allowHttp), 'PUBLIC_URL', 'The https origin under which browsers reach the gateway, such as `https://app.example.com`. The login address to register in the seller centre is this plus the prefix and `/callback`.'),
      upstream: note(originForm, 'UPSTREAM', 'The origin of the application behind the gateway, such as `http://127.0.0.1:3000`.'),
      upstreamTimeoutSeconds: withDefault(integerForm(1, 3_600), 'UPSTREAM_TIMEOUT_SECONDS', '60', 'How long the application may take until its response headers.'),
      prefix: withDefault(prefixForm, 'PREFIX', '/_gate', 'The path under which the gateway\'s own addresses live. Everything else belongs to the application.'),
    }),
    marketplace: z.strictObject({
      kitKeys: withDefault(accessKeysForm, 'MARKETPLACE_KIT_KEYS', '', 'Access keys of the Kit interfaces, a comma list; all are valid at once. Without one every push is refused.'),
      productionKeys: withDefault(accessKeysForm, 'MARKETPLACE_PRODUCTION_KEYS', '', 'Access keys of the base interfaces (newInstance and others), a comma list; all are valid at once. The seller centre binds a key to one interface type, so these are others than the Kit keys. Without one every call of a base interface is refused.'),
      privateKeys: withDefault(privateKeysForm, 'MARKETPLACE_PRIVATE_KEYS', '', 'RSA private keys (PEM, at least 3072 bits) whose public half is registered in the seller centre; they open the `clientSecret` of applicationSync. Several texts stand one behind the other. Without one no applicationSync that brings a secret is accepted.'),
      unifiedLoginUrl: withDefault(unifiedLoginUrlForm(allowHttp), 'MARKETPLACE_UNIFIED_LOGIN_URL', 'https://macroverse.huaweicloud.com/unified-login/#/portal-login', 'The marketplace\'s unified login page; `?ind=UNOP&appId=…` is added behind the `#`.'),
      tenantDomains: withDefault(domainSuffixesForm, 'MARKETPLACE_TENANT_DOMAINS', '', 'Domain suffixes, a comma list: a pushed `domainName` must be one of them or end in one. It must be a public https name in any case; empty: any such name.'),
    }),
    signIn,
    session,
    contract: contractArea(allowHttp),
    provisioning: z.strictObject({
      url: withDefault(calledUrlForm(allowHttp), 'PROVISIONING_URL', '', 'The seller\'s hook that is told of instance events (created, renewed, frozen, unfrozen, expired, upgraded, released) and says when an instance is ready. Empty: instances are made at once, with the public URL as their address.'),
      secrets: withDefault(webhookSecretsForm, 'PROVISIONING_SECRETS', '', 'Secrets that sign the hook\'s calls (Standard Webhooks, `whsec_…`), a comma list; every one signs.'),
    }).refine(({ url, secrets }) => url === undefined || secrets.length > 0, {
      error: 'must hold a secret, since provisioning.url is set: unsigned calls would be anybody\'s', path: ['secrets'],
    }),
    orderQuery: z.strictObject({
      accessKeyId: withDefault(optionalTextForm, 'ORDER_QUERY_ACCESS_KEY_ID', '', 'Access key id (AK) of the seller\'s account for the marketplace\'s order query. Empty: orders are not asked for.'),
      secretAccessKey: withDefault(secretForm, 'ORDER_QUERY_SECRET_ACCESS_KEY', '', 'The secret access key (SK) that goes with it.'),
      url: withDefault(calledUrlForm(allowHttp), 'ORDER_QUERY_URL', 'https://mkt.myhuaweicloud.com', 'The origin of the order query.'),
    }).refine(({ accessKeyId, secretAccessKey }) => (accessKeyId === undefined) === (secretAccessKey === undefined), {
      error: 'must be set together with orderQuery.accessKeyId', path: ['secretAccessKey'],
    }),
    retention: z.strictObject({
      erasureDays: withDefault(integerForm(1, 365), 'RETENTION_ERASURE_DAYS', '30', 'How long personal data is kept after a release, the end of a binding or the removal of an account; then it is erased and a signed receipt is written.'),
      pushLogDays: withDefault(integerForm(1, 365), 'RETENTION_PUSH_LOG_DAYS', '30', 'How long verified pushes stay in the push log. Not longer than `retention.erasureDays`: what must be erased must be gone from the log as well.'),
      pushLogMegabytes: withDefault(integerForm(1, 100_000), 'RETENTION_PUSH_LOG_MEGABYTES', '256', 'How large the push log may become; beyond it the oldest pushes go.'),
    }).refine((area) => area.pushLogDays <= area.erasureDays, {
      error: 'must not be longer than retention.erasureDays', path: ['pushLogDays'],
    }),
    log: z.strictObject({
      level: withDefault(choiceForm(levels), 'LOG_LEVEL', 'info', `The least level that is logged: ${levels.join(', ')}.`),
    }),
    dangerouslyAllowHttp: withDefault(booleanForm, 'DANGEROUSLY_ALLOW_HTTP', 'false', 'Allows http, any port and inner addresses for the public URL, the unified login page and a tenant\'s `domainName`, and calls to them. For tests and the demo only.'),
  })
}
