import { fillIn, type Segment } from './fill-in.ts'
import { marketplaceTime } from './marketplace-time.ts'
import { signInLocation } from './sign-in-location.ts'
import type { Facts, TemplateModels } from './templates.ts'
import type { PageTexts } from './texts/page-texts.ts'
import type { AccountView, ChooseView, ConfirmView, Person, SignInView, SignOutView } from './views.ts'

export function signInModel (view: SignInView, { signIn }: PageTexts, prefix: string, applicationName: string): TemplateModels['sign-in'] {
  return {
    title: signIn.title(applicationName),
    notice: view.because === undefined || view.because === 'no-cookie' ? undefined : signIn.notices[view.because],
    form: { action: `${prefix}/sign-in`, button: signIn.button, fields: [{ name: 'return_to', value: view.returnTo }] },
    account: signIn.account,
    handOver: signIn.handOver(applicationName),
    trouble: signIn.trouble,
    limits: signIn.limits,
  }
}

export function confirmModel (view: ConfirmView, texts: PageTexts, prefix: string): TemplateModels['confirm'] {
  const { confirm } = texts
  return {
    title: fillIn(confirm.title, new Map([['name', view.person.name], ['enterprise', view.person.tenantName]])),
    current: view.current === undefined ? [] : nameIn(confirm.current, view.current),
    explanation: confirm.explanation,
    facts: factsOf(view.person, texts),
    form: { action: `${prefix}/confirm`, button: confirm.button, fields: [{ name: 'anti_forgery', value: view.antiForgery }] },
    notMe: view.current === undefined ? { href: signInLocation(prefix), label: confirm.notMe } : { href: '/', label: confirm.stay },
    notMeHint: confirm.notMeHint,
  }
}

function nameIn (sentence: string, { name, userName, tenantName }: Person): Segment[] {
  return fillIn(sentence, new Map([['name', name], ['account', userName], ['enterprise', tenantName]]))
}

export function chooseModel (view: ChooseView, { choose }: PageTexts, prefix: string): TemplateModels['choose'] {
  const { returnTo, because } = view
  return {
    title: choose.title,
    who: `${view.userName} · ${view.tenantName}`,
    explanation: because === 'closed' ? choose.closed : choose.explanation,
    options: view.choices.map(({ instanceId, product, order, paidUntil, role, access, isCurrent }) => ({
      title: product ?? choose.unnamed(order),
      facts: [
        ...(product === undefined ? [] : [{ label: choose.order, value: order }]),
        ...(paidUntil === undefined ? [] : [{ label: choose.paidUntil, value: dayOf(paidUntil) }]),
        { label: choose.role, value: choose.roles[role] },
      ],
      marks: [...(isCurrent ? [choose.current] : []), ...(access === 'read-only' ? [choose.readOnly] : [])],
      form: {
        action: `${prefix}/choose`,
        button: product ?? choose.unnamed(order),
        fields: [
          { name: 'question', value: view.question }, { name: 'instance', value: instanceId }, { name: 'return_to', value: returnTo },
        ],
      },
    })),
    cancel: because === 'wish' ? { href: returnTo, label: choose.cancel } : undefined,
  }
}

function dayOf (at: number): string {
  return marketplaceTime(at).slice(0, 10)
}

export function signOutModel (view: SignOutView, texts: PageTexts, prefix: string, applicationName: string): TemplateModels['sign-out'] {
  const fields = view.antiForgery === undefined ? [] : [{ name: 'anti_forgery', value: view.antiForgery }]
  return {
    title: texts.signOut.title(applicationName),
    explanation: texts.signOut.explanation,
    facts: factsOf(view.person, texts),
    form: { action: `${prefix}/sign-out`, button: texts.signOut.button, fields },
    cancel: { href: '/', label: texts.actions.cancel },
  }
}

export function accountModel (view: AccountView, texts: PageTexts, prefix: string, applicationName: string): TemplateModels['account'] {
  const { account } = texts
  return {
    title: account.title(applicationName),
    facts: factsOf(view.person, texts),
    explanation: account.explanation,
    sessions: view.sessions.map(({ ref, createdAt, lastSeenAt, endsAt, isCurrent }) => ({
      mark: isCurrent ? account.current : undefined,
      facts: [
        { label: account.signedInAt, value: minuteOf(createdAt) },
        { label: account.lastSeenAt, value: minuteOf(lastSeenAt) },
        { label: account.endsAt, value: minuteOf(endsAt) },
      ],
      // The current one ends by signing out, which ends it at the marketplace too.
      form: isCurrent
        ? undefined
        : {
            action: `${prefix}/account`,
            button: account.end,
            name: account.endOf(account.end, minuteOf(createdAt), minuteOf(lastSeenAt)),
            fields: [{ name: 'session', value: ref }],
          },
    })),
    signOut: { href: `${prefix}/sign-out`, label: texts.signOut.button },
  }
}

function minuteOf (at: number): string {
  return `${marketplaceTime(at).slice(0, 16)} UTC+8`
}

function factsOf (person: Person, texts: PageTexts): Facts {
  return [
    { label: texts.person.name, value: person.name },
    { label: texts.person.account, value: person.userName },
    { label: texts.person.enterprise, value: person.tenantName },
  ]
}
