import { locales, type Locale } from './choose-locale.ts'
import { accountModel, chooseModel, confirmModel, signInModel, signOutModel } from './form-models.ts'
import { loadAssets } from './load-assets.ts'
import { faultMessage, refusalMessage, signedOutMessage } from './message-models.ts'
import { pageHeaders } from './page-headers.ts'
import type { Page } from './send-page.ts'
import { signInLocation } from './sign-in-location.ts'
import { compileTemplates, type LanguageLink, type TemplateModels } from './templates.ts'
import { textsOf } from './texts/texts-of.ts'
import type { AccountView, ChooseView, ConfirmView, FaultView, RefusalView, SignedOutView, SignInView, SignOutView } from './views.ts'

export interface PagesOptions {
  /** Where the gateway's own addresses begin, such as `/_gate`. */
  readonly prefix: string
  /** The seller's application as its users call it. */
  readonly applicationName: string
  /** The address browsers use. */
  readonly publicUrl: string
}

/** Every page a person may see. None needs JavaScript. */
export interface Pages {
  signIn (view: SignInView): Page
  /** "Continue as … of …?" for a login that this browser did not start. */
  confirm (view: ConfirmView): Page
  /** Which of several purchases to work in. */
  choose (view: ChooseView): Page
  /** One's own sessions. */
  account (view: AccountView): Page
  signOut (view: SignOutView): Page
  signedOut (view: SignedOutView): Page
  refusal (view: RefusalView): Page
  fault (view: FaultView): Page
}

const languageNames: Readonly<Record<Locale, string>> = { 'zh-CN': '简体中文', en: 'English' }

/** Reads and compiles `views/`; throws if a file is missing or doesn't compile. */
export function createPages ({ prefix, applicationName, publicUrl }: PagesOptions): Pages {
  const templates = compileTemplates()
  const assets = loadAssets()
  const isHttps = new URL(publicUrl).protocol === 'https:'

  function page<Name extends keyof TemplateModels> (frame: Frame, name: Name, model: TemplateModels[Name]): Page {
    const { locale, here, title, formActions = [] } = frame
    const html = templates.render('layout', {
      locale,
      title,
      applicationName,
      styleSheet: `${prefix}/assets/${assets.styleSheet.fileName}`,
      icon: `${prefix}/assets/${assets.icon.fileName}`,
      languageSwitch: textsOf(locale).languageSwitch,
      languages: here === undefined ? [] : languageLinks(here, locale),
      body: templates.render(name, model),
    })
    return { html, headers: pageHeaders({ locale, isHttps, hasForm: name !== 'message', formActions }) }
  }

  return {
    signIn (view) {
      const model = signInModel(view, textsOf(view.locale), prefix, applicationName)
      return page({ ...view, here: signInLocation(prefix, view), title: model.title }, 'sign-in', model)
    },
    confirm (view) {
      const model = confirmModel(view, textsOf(view.locale), prefix)
      const title = model.title.map(({ text }) => text).join('')
      // What the application does with somebody who just came in is its own affair, also if it sends them on.
      return page({ ...view, title, formActions: [publicUrl] }, 'confirm', model)
    },
    choose (view) {
      const model = chooseModel(view, textsOf(view.locale), prefix)
      return page({ ...view, title: model.title, formActions: [publicUrl] }, 'choose', model)
    },
    account (view) {
      const model = accountModel(view, textsOf(view.locale), prefix, applicationName)
      return page({ ...view, title: model.title }, 'account', model)
    },
    signOut (view) {
      const model = signOutModel(view, textsOf(view.locale), prefix, applicationName)
      return page({ ...view, title: model.title }, 'sign-out', model)
    },
    signedOut (view) {
      const model = signedOutMessage(textsOf(view.locale), prefix)
      return page({ ...view, title: model.title }, 'message', model)
    },
    refusal (view) {
      const model = refusalMessage(view, textsOf(view.locale), prefix)
      return page({ ...view, title: model.title }, 'message', model)
    },
    fault (view) {
      const model = faultMessage(view, textsOf(view.locale), prefix)
      return page({ ...view, title: model.title }, 'message', model)
    },
  }
}

interface Frame {
  readonly locale: Locale
  readonly here?: string
  readonly title: string
  readonly formActions?: readonly string[]
}

function languageLinks (here: string, current: Locale): LanguageLink[] {
  return locales.map((locale) => ({
    locale,
    label: languageNames[locale],
    href: `${here}${here.includes('?') ? '&' : '?'}lang=${locale}`,
    isCurrent: locale === current,
  }))
}
