import { Eta } from 'eta/core'
import type { Locale } from './choose-locale.ts'
import { readView } from './read-view.ts'
import type { Segment } from './fill-in.ts'

export interface Link { readonly href: string, readonly label: string }

export interface LanguageLink extends Link { readonly locale: Locale, readonly isCurrent: boolean }

/** Rows of "label: value" about a person. */
export type Facts = ReadonlyArray<{ readonly label: string, readonly value: string }>

export interface Form {
  readonly action: string
  readonly button: string
  readonly fields: ReadonlyArray<{ readonly name: string, readonly value: string }>
}

/** A form that is one button, with what it stands for. */
export interface Option {
  readonly title: string
  readonly facts: Facts
  /** Short words beside the title. */
  readonly marks: readonly string[]
  readonly form: Form
}

export interface MessageModel {
  readonly tone: 'refusal' | 'fault' | 'done'
  readonly title: string
  readonly whatHappened: string
  readonly cause: string | undefined
  readonly whatToDoHeading: string
  readonly whatToDo: string
  readonly retryHint: string | undefined
  readonly action: Link | undefined
  /** A second way on, drawn quieter. */
  readonly alternative: Link | undefined
  readonly support: SupportModel | undefined
}

export interface SupportModel {
  readonly heading: string
  readonly code: { readonly label: string, readonly value: string }
  readonly reason: { readonly label: string, readonly value: string }
  readonly time: { readonly label: string, readonly value: string, readonly iso: string }
}

/** What each file of `views/` reads as `it`. */
export interface TemplateModels {
  layout: {
    readonly locale: Locale
    readonly title: string
    readonly applicationName: string
    readonly styleSheet: string
    readonly icon: string
    readonly languageSwitch: string
    readonly languages: readonly LanguageLink[]
    readonly body: string
  }
  'sign-in': {
    readonly title: string
    readonly notice: string | undefined
    readonly form: Form
    readonly account: string
    readonly handOver: string
    readonly trouble: string
    readonly limits: readonly string[]
  }
  confirm: {
    readonly title: readonly Segment[]
    readonly current: readonly Segment[]
    readonly explanation: string
    readonly facts: Facts
    readonly form: Form
    readonly notMe: Link
    readonly notMeHint: string
  }
  choose: {
    readonly title: string
    /** Account and enterprise. */
    readonly who: string
    readonly explanation: string
    readonly options: readonly Option[]
    readonly cancel: Link | undefined
  }
  account: {
    readonly title: string
    readonly facts: Facts
    readonly explanation: string
    readonly sessions: ReadonlyArray<{
      readonly mark: string | undefined
      readonly facts: Facts
      /** `name` is the button's for who hears it: which sign-in of several it ends. It begins with what is seen (WCAG 2.5.3). */
      readonly form: Form & { readonly name: string } | undefined
    }>
    readonly signOut: Link
  }
  'sign-out': {
    readonly title: string
    readonly explanation: string
    readonly facts: Facts
    readonly form: Form
    readonly cancel: Link
  }
  message: MessageModel
}

export interface Templates {
  render<Name extends keyof TemplateModels> (name: Name, model: TemplateModels[Name]): string
}

const names: ReadonlyArray<keyof TemplateModels> = ['layout', 'sign-in', 'confirm', 'choose', 'account', 'sign-out', 'message']

/**
 * Reads and compiles all of `views/*.eta`. Eta's core build can't touch the disk, so a request never does, and a name from a
 * request could not choose a file.
 */
export function compileTemplates (): Templates {
  const eta = new Eta({ autoEscape: true })
  for (const name of names) eta.loadTemplate(`@${name}`, readView(`${name}.eta`))
  return { render: (name, model) => eta.render(`@${name}`, model) }
}
