import type { RefusalReason } from '../directory/refusal.ts'
import { marketplaceTime } from './marketplace-time.ts'
import { chooseLocation, signInLocation } from './sign-in-location.ts'
import type { Link, MessageModel, SupportModel } from './templates.ts'
import type { FaultCode, PageTexts } from './texts/page-texts.ts'
import type { FaultView, RefusalView } from './views.ts'

type NextStep = 'try-again' | 'sign-in' | 'open-application' | 'choose' | 'none'

// A loop gets no button: it would turn the next round. Who was let in and is cut off now may try again after a word with the
// administrator; who holds a spent address is sent to a fresh start.
const stepsAfterRefusal: Readonly<Record<RefusalReason, NextStep>> = {
  'tenant-unknown': 'try-again',
  'tenant-closed': 'sign-in',
  'binding-missing': 'try-again',
  'account-not-authorised': 'try-again',
  'account-disabled': 'sign-in',
  'authorisation-withdrawn': 'sign-in',
  'instance-not-ready': 'try-again',
  'instance-expired': 'sign-in',
  'instance-frozen': 'sign-in',
  'instance-released': 'sign-in',
  'choice-needed': 'choose',
  'callback-malformed': 'sign-in',
  'authorization-denied': 'try-again',
  'flow-unknown': 'sign-in',
  'flow-expired': 'sign-in',
  'tenant-mismatch': 'sign-in',
  'code-refused': 'try-again',
  'code-reused': 'open-application',
  'account-unnamed': 'try-again',
  'marketplace-unavailable': 'try-again',
  'login-loop': 'none',
  'confirmation-expired': 'sign-in',
  'role-missing': 'open-application',
  'cross-site-request': 'sign-in',
  'session-missing': 'sign-in',
  'too-many-requests': 'try-again',
}

const stepsAfterFault: Readonly<Record<FaultCode, NextStep>> = {
  GW_STORAGE_UNAVAILABLE: 'try-again',
  GW_STORAGE_MOVED: 'try-again',
  GW_STORAGE_CORRUPT: 'none',
  GW_SESSION_RENEWAL_PENDING: 'try-again',
  GW_UPSTREAM_UNREACHABLE: 'try-again',
  GW_UPSTREAM_LOST: 'open-application',
  GW_UPSTREAM_TIMEOUT: 'open-application',
  GW_REQUEST_PATH_AMBIGUOUS: 'open-application',
  GW_REQUEST_METHOD_REFUSED: 'open-application',
  GW_REQUEST_UPGRADE_REFUSED: 'none',
  GW_REQUEST_HEADERS_TOO_LARGE: 'try-again',
  GW_REQUEST_INVALID: 'open-application',
  GW_REQUEST_STALLED: 'open-application',
  GW_REQUEST_NOT_FOUND: 'open-application',
  GW_REQUEST_NOT_FORWARDED: 'try-again',
  GW_INTERNAL: 'try-again',
}

export function refusalMessage (view: RefusalView, texts: PageTexts, prefix: string): MessageModel {
  const signIn = signInLocation(prefix, { returnTo: view.returnTo })
  const choose = chooseLocation(prefix, view.returnTo)
  const step = linkFor(stepsAfterRefusal[view.reason], texts, { again: view.again ?? signIn, signIn, application: view.returnTo ?? '/', choose })
  const renewal = view.renewUrl === undefined ? undefined : { href: view.renewUrl, label: texts.actions.renew }
  return {
    ...texts.refusals[view.reason],
    tone: 'refusal',
    cause: view.cause === undefined ? undefined : texts.loopCauses[view.cause],
    whatToDoHeading: texts.whatToDo,
    retryHint: view.retryAfterSeconds === undefined ? undefined : texts.retryIn(view.retryAfterSeconds),
    action: renewal ?? step,
    alternative: renewal === undefined ? undefined : step,
    support: supportOf(view, view.reason, texts),
  }
}

export function faultMessage (view: FaultView, texts: PageTexts, prefix: string): MessageModel {
  return {
    ...texts.faults[view.code],
    tone: 'fault',
    cause: undefined,
    whatToDoHeading: texts.whatToDo,
    retryHint: view.retryAfterSeconds === undefined ? undefined : texts.retryIn(view.retryAfterSeconds),
    // The empty reference is the page's own address: what failed is asked for again, by GET.
    action: linkFor(stepsAfterFault[view.code], texts, {
      again: '', signIn: signInLocation(prefix), application: '/', choose: chooseLocation(prefix),
    }),
    alternative: undefined,
    support: supportOf(view, view.code, texts),
  }
}

export function signedOutMessage (texts: PageTexts, prefix: string): MessageModel {
  return {
    ...texts.signedOut,
    tone: 'done',
    cause: undefined,
    whatToDoHeading: texts.whatToDo,
    retryHint: undefined,
    action: { href: signInLocation(prefix), label: texts.actions.signInAgain },
    alternative: undefined,
    support: undefined,
  }
}

interface Targets { readonly again: string, readonly signIn: string, readonly application: string, readonly choose: string }

function linkFor (step: NextStep, { actions }: PageTexts, to: Targets): Link | undefined {
  switch (step) {
    case 'try-again': return { href: to.again, label: actions.tryAgain }
    case 'sign-in': return { href: to.signIn, label: actions.signIn }
    case 'open-application': return { href: to.application, label: actions.openApplication }
    case 'choose': return { href: to.choose, label: actions.choose }
    case 'none': return undefined
  }
}

function supportOf (view: { supportCode: string, at: number }, reason: string, { support }: PageTexts): SupportModel {
  return {
    heading: support.heading,
    code: { label: support.code, value: view.supportCode },
    reason: { label: support.reason, value: reason },
    time: { label: support.time, value: `${marketplaceTime(view.at)} UTC+8`, iso: new Date(view.at).toISOString() },
  }
}
