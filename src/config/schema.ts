import { z } from 'zod'
import { contractPolicies } from '../directory/contract.ts'
import { accessTokenHeader, foldHeaderName, identityHeaders } from '../base/header-names.ts'
import type { AppId } from '../directory/model.ts'
import {
  booleanForm, calledUrlForm, choiceForm, domainSuffixesForm, integerForm, linkForm, listenForm, networksForm, optionalTextForm,
  prefixForm, publicUrlForm, serverPathForm, textForm, unifiedLoginUrlForm, webSocketOriginsForm,
} from './forms.ts'
import { accessKeysForm, addressSecretForm, privateKeysForm, sealingKeysForm, secretForm, webhookSecretsForm } from './key-forms.ts'
import { certificatesForm, storageForm } from './storage-form.ts'
import { routesForm } from './route-forms.ts'
import { hostComplaints } from './rule-complaints.ts'
import { headerNameForm, healthPathForm, privateKeyForm, upstreamForm } from './upstream-forms.ts'

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
  tlsCertificate: withDefault(certificatesForm, 'TLS_CERTIFICATE', '', 'The certificate (PEM, its chain behind it) of the public listener. With it the listener speaks TLS, and HTTP/2 beside HTTP/1.1; without it plain HTTP/1.1, for a reverse proxy in front.'),
  tlsKey: withDefault(privateKeyForm, 'TLS_KEY', '', 'The private key (PEM) that goes with it.'),
  trustedProxies: withDefault(networksForm, 'TRUSTED_PROXIES', '', 'Addresses and networks of the reverse proxies in front, a comma list such as `10.0.0.0/8,2001:db8::1`. Only from them is `X-Forwarded-For` taken: the right-most address that is none of them is the client\'s. Empty: from nobody.'),
}).refine(({ tlsCertificate, tlsKey }) => (tlsCertificate === undefined) === (tlsKey === undefined), {
  error: 'must be set together with listen.tlsCertificate', path: ['tlsKey'],
})

const forwardAuth = z.strictObject({
  callers: withDefault(networksForm, 'FORWARD_AUTH_CALLERS', '', 'Addresses and networks, a comma list, of the reverse proxies that may ask `GET {prefix}/verify` whether a request may pass (nginx `auth_request`, Traefik, Caddy, Envoy, HAProxy). Empty: the address does not exist.'),
})

const identityHeader = (name: keyof typeof identityHeaders, meaning: string) =>
  withDefault(headerNameForm, `IDENTITY_${name.toUpperCase()}_HEADER`, identityHeaders[name], meaning)

const identity = z.strictObject({
  tenantHeader: identityHeader('tenant', 'The name of the header that tells the application the enterprise (`tenantId`). No client can send a header of this name, in whatever spelling; nor of the ones below, nor any `x-identity-…`.'),
  userHeader: identityHeader('user', 'The same for the account (`userName`).'),
  nameHeader: identityHeader('name', 'The same for the name to show.'),
  roleHeader: identityHeader('role', 'The same for the role, `admin` or `user`.'),
  departmentHeader: identityHeader('department', 'The same for the department\'s code.'),
  instanceHeader: identityHeader('instance', 'The same for the purchase (`instanceId`).'),
  accessHeader: identityHeader('access', 'The same for `full` or `read-only`.'),
  assertionHeader: identityHeader('assertion', 'The same for the signed assertion (JWT).'),
  accessTokenHeader: withDefault(headerNameForm, 'IDENTITY_ACCESS_TOKEN_HEADER', accessTokenHeader, 'The same for the access token, on routes that ask for it (`accessToken`).'),
}).refine((area) => new Set(Object.values(area).map(foldHeaderName)).size === Object.keys(area).length, {
  error: 'must be nine different names', path: ['tenantHeader'],
})

const redisArea = z.strictObject({
  authorities: withDefault(certificatesForm, 'STORAGE_CA', '', 'PEM certificates of the authorities that Redis and Sentinel are verified against. Empty: those that Node knows.'),
  sentinelPassword: withDefault(secretForm, 'STORAGE_SENTINEL_PASSWORD', '', 'The password of the sentinels, if they have one.'),
  replicas: note(integerForm(0, 5).optional(), 'STORAGE_REPLICAS', 'How many replicas must have a write before it counts. With Sentinel or a cluster 0 is refused, since a failover could lose an acknowledged push (`dangerouslyAllowLoss`).', '1 with Sentinel and in a cluster, else 0'),
})

const signIn = z.strictObject({
  direct: withDefault(booleanForm, 'SIGN_IN_DIRECT', 'false', '`true` leads straight on to the marketplace instead of showing the login page with its button, unless another site sent the browser.'),
  statelessCallback: withDefault(choiceForm(['restart', 'marker', 'confirm']), 'SIGN_IN_STATELESS_CALLBACK', 'marker', 'What happens to a code that comes without our `state`, as from the unified login page: `restart` drops it and starts an own login with `state` at the tenant\'s authorization server, once, then it asks; `marker` takes it if a login was begun in this browser within ten minutes, else it asks; `confirm` asks "continue as …?" each time.'),
  pkce: withDefault(choiceForm(['off', 'S256']), 'SIGN_IN_PKCE', 'off', 'Whether the gateway\'s own authorization requests carry a PKCE challenge (RFC 7636). The marketplace does not document it, so try it before you switch it on.'),
  redirectUri: withDefault(choiceForm(['as-registered', 'with-tenant', 'omit']), 'SIGN_IN_REDIRECT_URI', 'as-registered', 'The `redirect_uri` of the token request: the callback as registered, the callback with the `tenant` parameter that the marketplace adds, or none.'),
  scope: withDefault(textForm, 'SIGN_IN_SCOPE', 'get_user_info', 'The scope of the gateway\'s own authorization requests.'),
  clientAuthentication: withDefault(choiceForm(['body', 'basic']), 'SIGN_IN_CLIENT_AUTHENTICATION', 'body', 'How the client secret travels to the token endpoint: in the form body (the marketplace\'s way) or by HTTP Basic.'),
})

const session = z.strictObject({
  idleTimeoutSeconds: withDefault(integerForm(1, 86_400), 'SESSION_IDLE_TIMEOUT_SECONDS', '3600', 'A session without a request for this long is over (NIST SP 800-63B AAL2: at most an hour).'),
  absoluteTimeoutSeconds: withDefault(integerForm(1, 604_800), 'SESSION_ABSOLUTE_TIMEOUT_SECONDS', '43200', 'A session is over this long after sign-in, whatever happens in it (AAL2: at most 24 hours).'),
  renewalGraceSeconds: withDefault(integerForm(0, 3_600), 'SESSION_RENEWAL_GRACE_SECONDS', '900', 'How long a session outlives its access token while the authorization server does not answer. The default carries everybody through an outage of ten minutes, however short the tokens live.'),
  parallelLimit: withDefault(integerForm(1, 1_000), 'SESSION_PARALLEL_LIMIT', '10', 'How many sessions one end-user may have at a time. A sign-in beyond it ends the session that was not seen for the longest time (`session.displaced` in the log).'),
}).refine((area) => area.idleTimeoutSeconds <= area.absoluteTimeoutSeconds, {
  error: 'must not be longer than session.absoluteTimeoutSeconds', path: ['idleTimeoutSeconds'],
})

const limitForm = integerForm(1, 1_000_000)

const rateLimits = z.strictObject({
  signInPerAddress: withDefault(limitForm, 'RATE_LIMITS_SIGN_IN_PER_ADDRESS', '600', 'How often one address (of IPv6: one /64 network) may do each step of a sign-in in a minute. Hundreds of employees behind one address come in together in the morning.'),
  signInPerTenant: withDefault(limitForm, 'RATE_LIMITS_SIGN_IN_PER_TENANT', '3000', 'How many callbacks may name one enterprise in a minute; each may ask its authorization server.'),
  failedPushesPerAddress: withDefault(limitForm, 'RATE_LIMITS_FAILED_PUSHES_PER_ADDRESS', '60', 'How many calls without a good signature one address may send to the marketplace\'s interfaces in a minute. Beyond it its large messages are verified one at a time; a call with a good signature is never limited.'),
  backchannelLogoutPerAddress: withDefault(limitForm, 'RATE_LIMITS_BACKCHANNEL_LOGOUT_PER_ADDRESS', '3000', 'How many back-channel logouts one address may send in a minute.'),
  operatorPerAddress: withDefault(limitForm, 'RATE_LIMITS_OPERATOR_PER_ADDRESS', '600', 'How many requests one address may send to the operator console and its API in a minute. Health probes are not counted.'),
})

const backchannelLogout = z.strictObject({
  jwksPath: withDefault(serverPathForm, 'BACKCHANNEL_LOGOUT_JWKS_PATH', '', 'Where a tenant\'s authorization server publishes its keys, behind its `domainName`, such as `/api/v1/oauth2/jwks`. Switches `POST {prefix}/backchannel-logout` on, which takes OpenID logout tokens.'),
  issuerPath: withDefault(serverPathForm, 'BACKCHANNEL_LOGOUT_ISSUER_PATH', '', 'What follows the `domainName` in the `iss` of logout tokens. Empty: nothing.'),
  userNameClaim: withDefault(textForm, 'BACKCHANNEL_LOGOUT_USER_NAME_CLAIM', 'sub', 'The claim of a logout token that holds the account\'s `userName`.'),
  secret: withDefault(addressSecretForm, 'BACKCHANNEL_LOGOUT_SECRET', '', 'Switches `POST {prefix}/backchannel-logout/{secret}` on, for servers without logout tokens: a form or JSON with `tenant` and `userName` ends that account\'s sessions. `openssl rand -hex 24` makes one.'),
})

const upstream = z.strictObject({
  balance: withDefault(choiceForm(['round-robin', 'least-connections']), 'UPSTREAM_BALANCE', 'round-robin', 'Which of several servers gets the next request: each in turn, or the one with the fewest requests under way.'),
  healthPath: withDefault(healthPathForm, 'UPSTREAM_HEALTH_PATH', '', 'A path that each server is asked for now and then, without an identity: an answer below 400 is health. Empty: only the requests that it gets tell how a server is.'),
  healthIntervalSeconds: withDefault(integerForm(1, 3_600), 'UPSTREAM_HEALTH_INTERVAL_SECONDS', '5', 'How often it is asked for.'),
  slowStartSeconds: withDefault(integerForm(0, 3_600), 'UPSTREAM_SLOW_START_SECONDS', '10', 'How long a server that has come back takes until it gets its full share again.'),
  rewriteLocation: withDefault(booleanForm, 'UPSTREAM_REWRITE_LOCATION', 'true', 'Whether a `Location` that names a server behind the gateway is sent to the browser with the public URL in its place.'),
  authorities: withDefault(certificatesForm, 'UPSTREAM_CA', '', 'PEM certificates of the authorities that https servers are verified against. Empty: those that Node knows.'),
  certificate: withDefault(certificatesForm, 'UPSTREAM_CERTIFICATE', '', 'The certificate (PEM, its chain behind it) that the gateway shows to servers that ask for one.'),
  key: withDefault(privateKeyForm, 'UPSTREAM_KEY', '', 'The private key (PEM) that goes with it.'),
}).refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
  error: 'must be set together with upstream.certificate', path: ['key'],
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
    workers: withDefault(integerForm(1, 128), 'WORKERS', '1', 'How many processes take requests, side by side on the same address and the same storage: as many as the machine has cores, at most.'),
    storage: withDefault(storageForm, 'STORAGE', 'lmdb:./data', 'Where everything is kept: `lmdb:DIRECTORY`, relative to the working directory, or Redis: `redis://USER:PASSWORD@HOST:6379/0`, `redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/MASTER/0`, `redis+cluster://USER:PASSWORD@HOST:6379,HOST:6379`; `rediss…` for TLS; `?prefix=NAME` for a name of its own on a shared server (`jointgate`). See [redis.md](redis.md).'),
    redis: redisArea,
    secretKeys: note(sealingKeysForm, 'SECRET_KEYS', 'Keys that seal stored secrets and sessions: a comma list of base64 keys of 32 bytes. The first seals, all open; so a new one is put in front, and the old one stays behind it: client secrets, signing keys and the push log stay sealed with it. See [sessions.md](sessions.md).'),
    application: z.strictObject({
      id: note(textForm.transform((id) => id as AppId), 'APP_ID', 'The `appId` of the application credential (应用凭证) in the seller centre.'),
      name: note(textForm.optional(), 'APPLICATION_NAME', 'The application\'s name on the gateway\'s pages.', 'host of the public URL'),
      publicUrl: note(publicUrlForm(allowHttp), 'PUBLIC_URL', 'The https origin under which browsers reach the gateway, such as `https://app.example.com`. The login address to register in the seller centre is this plus the prefix and `/callback`.'),
      upstream: note(upstreamForm, 'UPSTREAM', 'The origin of the application behind the gateway, such as `http://127.0.0.1:3000`; of several servers a comma list. `unix:/run/app.sock` is a unix socket. See [upstreams.md](upstreams.md).'),
      upstreamTimeoutSeconds: withDefault(integerForm(1, 3_600), 'UPSTREAM_TIMEOUT_SECONDS', '60', 'How long the application may take until its response headers.'),
      webSocketOrigins: withDefault(webSocketOriginsForm, 'WEBSOCKET_ORIGINS', '', 'Origins whose pages may open a WebSocket to the application, a comma list, besides the public URL\'s own: such as `https://shop.example.com`. `none` lets clients in that send no `Origin`: programs, not browsers.'),
      prefix: withDefault(prefixForm, 'PREFIX', '/_gate', 'The path under which the gateway\'s own addresses live. Everything else belongs to the application.'),
    }),
    marketplace: z.strictObject({
      kitKeys: withDefault(accessKeysForm, 'MARKETPLACE_KIT_KEYS', '', 'Access keys of the Kit interfaces, a comma list; all are valid at once. Without one every push is refused.'),
      productionKeys: withDefault(accessKeysForm, 'MARKETPLACE_PRODUCTION_KEYS', '', 'Access keys of the base interfaces (newInstance and others), a comma list; all are valid at once. The seller centre binds a key to one interface type, so these are others than the Kit keys. Without one every call of a base interface is refused.'),
      privateKeys: withDefault(privateKeysForm, 'MARKETPLACE_PRIVATE_KEYS', '', 'RSA private keys (PEM, at least 3072 bits) whose public half is registered in the seller centre; they open the `clientSecret` of applicationSync. Several texts stand one behind the other. Without one no applicationSync that brings a secret is accepted.'),
      unifiedLoginUrl: withDefault(unifiedLoginUrlForm(allowHttp), 'MARKETPLACE_UNIFIED_LOGIN_URL', 'https://macroverse.huaweicloud.com/unified-login/#/portal-login', 'The marketplace\'s unified login page; `?ind=UNOP&appId=…` is added behind the `#`.'),
      tenantDomains: withDefault(domainSuffixesForm, 'MARKETPLACE_TENANT_DOMAINS', '', 'Domain suffixes, a comma list: a pushed `domainName` must be one of them or end in one. It must be a public https name in any case; empty: any such name.'),
    }),
    upstream,
    identity,
    forwardAuth,
    routes: withDefault(routesForm, 'ROUTES', '', 'Rules about parts of the application, a list; see [routes.md](routes.md). In the variable it is YAML. Without a rule everything is for everybody who is signed in.'),
    signIn,
    session,
    backchannelLogout,
    rateLimits,
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
    dangerouslyAllowLoss: withDefault(booleanForm, 'DANGEROUSLY_ALLOW_LOSS', 'false', 'Starts on a Redis that may lose acknowledged pushes and sessions (no synced append-only file, eviction, no replica waited for), with a warning for each. For tests and development only.'),
  }).superRefine(({ routes, application }, context) => {
    for (const { path, must } of hostComplaints(routes, application.upstream)) {
      context.addIssue({ code: 'custom', path: ['routes', ...path], message: must })
    }
  })
}
