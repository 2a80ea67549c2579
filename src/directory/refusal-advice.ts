import type { RefusalReason } from './refusal.ts'

/** What each reason means to the person who operates the gateway, and what helps. Source of `docs/errors.md`. */
export const refusalAdvice: Record<RefusalReason, string> = {
  'tenant-unknown': 'No tenantSync has brought this enterprise. The buyer binds the application to the enterprise in the marketplace, or binds it again.',
  'tenant-closed': 'A tenantSync took the enterprise away (the binding was dissolved). Binding it again opens it.',
  'binding-missing': 'The enterprise is known, but no applicationSync has brought its OAuth client, or one took it away. Binding again sends it again. See also whether earlier pushes were refused.',
  'account-not-authorised': 'No authSync has named this account for the application. The enterprise\'s administrator authorises the member; the push comes a little later.',
  'account-disabled': 'The account is switched off (`enable` is `"false"`). The enterprise\'s administrator can switch it on.',
  'authorisation-withdrawn': 'The account had access and lost it: it was deleted, its authorisation was cancelled, or access was taken away and given back while this session lived. In the last case a new sign-in helps.',
  'instance-not-ready': 'The purchase exists, but the seller\'s system has not reported it ready, or refused it. See the log lines `provisioning.…` and the seller\'s provisioning hook.',
  'instance-expired': 'The paid time of the purchase is over, and so are the days of grace. A renewal (refreshInstance) opens it; `JOINTGATE_CONTRACT_EXPIRED` sets what the state means.',
  'instance-frozen': 'The marketplace froze the purchase (updateInstanceStatus FREEZE): overdue or a violation. UNFREEZE opens it; `JOINTGATE_CONTRACT_FROZEN` sets what the state means.',
  'instance-released': 'The marketplace released the purchase (releaseInstance). Only a new purchase opens the door again.',
  'callback-malformed': 'The callback came without `code`, without a way to know the tenant, or with a parameter twice. A new sign-in helps; if it comes often, look at the login address in the seller centre.',
  'authorization-denied': 'The authorization server sent the browser back with an `error` in place of a code.',
  'flow-unknown': 'The `state` belongs to no sign-in that this browser began, or to one that is finished. A new sign-in helps.',
  'flow-expired': 'The person took longer than a sign-in may take, or came back to one that was used. A new sign-in helps.',
  'tenant-mismatch': 'The callback or the userinfo names another enterprise than the one that this sign-in is for. Nobody is signed in; look at who sent the browser here.',
  'code-refused': 'The authorization server refused the code, the client or the token. The log line has its status and its `error`: `invalid_client` asks for a new binding; `redirect_uri_mismatch`, or `invalid_grant` at every sign-in, asks for another `JOINTGATE_SIGN_IN_REDIRECT_URI`.',
  'code-reused': 'The same code arrived twice (a reload of the callback, two tabs). A code is sent once; a new sign-in helps.',
  'account-unnamed': 'The userinfo holds no `userName`, so the account can\'t be looked up.',
  'marketplace-unavailable': 'The tenant\'s authorization server did not answer, answered too much or with something that is no OAuth answer. It may work a little later.',
  'login-loop': 'This browser was sent to sign in again and again within a minute. Most often it does not keep cookies, or the public URL is not the one that people open.',
  'confirmation-expired': 'The page "continue as …?" was answered too late, twice, or in another browser. A new sign-in helps.',
  'cross-site-request': 'A form of another site, or a form without its anti-forgery value, tried to act for this person, or the callback was called by something other than a page load. Nothing was done.',
  'session-missing': 'A request that is no page view (XHR, fetch, an API call, a form) came without a live session. The answer names the sign-in address.',
}
