import type { RefusalReason } from '../directory/refusal.ts'
import { signInLocation } from './sign-in-location.ts'
import type { Link, MessageModel, SupportModel } from './templates.ts'
import type { FaultCode, PageTexts } from './texts/page-texts.ts'
import type { FaultView, RefusalView } from './views.ts'

type NextStep = 'try-again' | 'sign-in' | 'open-application' | 'none'

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
  'cross-site-request': 'sign-in',
  'session-missing': 'sign-in',
}

const stepsAfterFault: Readonly<Record<FaultCode, NextStep>> = {
  GW_STORAGE_UNAVAILABLE: 'try-again',
  GW_STORAGE_CORRUPT: 'none',
  GW_UPSTREAM_UNREACHABLE: 'try-again',
  GW_UPSTREAM_TIMEOUT: 'open-application',
  GW_REQUEST_PATH_AMBIGUOUS: 'open-application',
  GW_REQUEST_METHOD_REFUSED: 'open-application',
  GW_REQUEST_UPGRADE_REFUSED: 'none',
  GW_REQUEST_INVALID: 'open-application',
  GW_REQUEST_NOT_FOUND: 'open-application',
  GW_INTERNAL: 'try-again',
}

export function refusalMessage (view: RefusalView, texts: PageTexts, prefix: string): MessageModel {
  const signIn = signInLocation(prefix, { returnTo: view.returnTo })
  const step = linkFor(stepsAfterRefusal[view.reason], texts, { again: signIn, signIn, application: view.returnTo ?? '/' })
  const renewal = view.renewUrl === undefined ? undefined : { href: view.renewUrl, label: texts.actions.renew }
  return {
    ...texts.refusals[view.reason],
    tone: 'refusal',
    cause: view.cause === undefined ? undefined : texts.loopCauses[view.cause],
    whatToDoHeading: texts.whatToDo,
    retryHint: undefined,
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
    action: linkFor(stepsAfterFault[view.code], texts, { again: '', signIn: signInLocation(prefix), application: '/' }),
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

function linkFor (step: NextStep, { actions }: PageTexts, to: { again: string, signIn: string, application: string }): Link | undefined {
  switch (step) {
    case 'try-again': return { href: to.again, label: actions.tryAgain }
    case 'sign-in': return { href: to.signIn, label: actions.signIn }
    case 'open-application': return { href: to.application, label: actions.openApplication }
    case 'none': return undefined
  }
}

function supportOf (view: { supportCode: string, at: number }, reason: string, { support }: PageTexts): SupportModel {
  const iso = new Date(view.at).toISOString()
  return {
    heading: support.heading,
    code: { label: support.code, value: view.supportCode },
    reason: { label: support.reason, value: reason },
    time: { label: support.time, value: `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`, iso },
  }
}
