import { Eta } from 'eta/core'
import type { Realm } from '../directory/model.ts'
import { locales, type Locale } from '../pages/choose-locale.ts'
import { readView } from '../pages/read-view.ts'
import { consoleTextsOf, type ConsoleTexts } from '../pages/texts/console-texts.ts'
import type { RealmStatus, Status } from './read-status.ts'

/** What `views/console/console.eta` reads as `it`. */
interface ConsoleModel {
  readonly locale: Locale
  readonly locales: readonly Locale[]
  readonly texts: ConsoleTexts
  readonly status: Status
  readonly realms: ReadonlyArray<RealmStatus & { readonly id: Realm, readonly title: string, readonly hint: string | undefined }>
  readonly styleSheet: string
  readonly icon: string
  readonly timeOf: (epochMilliseconds: number) => string
}

export type RenderConsole = (status: Status, locale: Locale) => string

/** Compiled at start: no request waits for the disk. */
export function createConsolePage (addresses: Pick<ConsoleModel, 'styleSheet' | 'icon'>): RenderConsole {
  const eta = new Eta({ autoEscape: true })
  eta.loadTemplate('@console', readView('console/console.eta'))
  return (status, locale) => {
    const texts = consoleTextsOf(locale)
    const realms: ConsoleModel['realms'] = [
      { id: 'production', title: texts.production, hint: undefined, ...status.production },
      { id: 'test', title: texts.test, hint: texts.testHint, ...status.test },
    ]
    return eta.render('@console', { ...addresses, locale, locales, status, texts, realms, timeOf } satisfies ConsoleModel)
  }
}

function timeOf (epochMilliseconds: number): string {
  return new Date(epochMilliseconds).toISOString().slice(0, 19).replace('T', ' ')
}
