import type { Locale } from '../choose-locale.ts'
import { english } from './en.ts'
import type { FaultCode, PageTexts } from './page-texts.ts'
import { chinese } from './zh-cn.ts'

const textsByLocale: Readonly<Record<Locale, PageTexts>> = { 'zh-CN': chinese, en: english }

export function textsOf (locale: Locale): PageTexts {
  return textsByLocale[locale]
}

/** Whether there are texts for this code; a thrown error may carry any. */
export function isFaultCode (code: unknown): code is FaultCode {
  return typeof code === 'string' && Object.hasOwn(english.faults, code)
}
