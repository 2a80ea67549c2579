import { fillIn } from './fill-in.ts'
import { signInLocation } from './sign-in-location.ts'
import type { Facts, TemplateModels } from './templates.ts'
import type { PageTexts } from './texts/page-texts.ts'
import type { ConfirmView, Person, SignInView, SignOutView } from './views.ts'

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
    explanation: confirm.explanation,
    facts: factsOf(view.person, texts),
    form: { action: `${prefix}/confirm`, button: confirm.button, fields: [{ name: 'anti_forgery', value: view.antiForgery }] },
    notMe: { href: signInLocation(prefix), label: confirm.notMe },
    notMeHint: confirm.notMeHint,
  }
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

function factsOf (person: Person, texts: PageTexts): Facts {
  return [
    { label: texts.person.name, value: person.name },
    { label: texts.person.account, value: person.userName },
    { label: texts.person.enterprise, value: person.tenantName },
  ]
}
