export const locales = ['zh-CN', 'en'] as const

export type Locale = (typeof locales)[number]

/** Everything a request says about language; an absent member says nothing. */
export interface LocaleWishes {
  /** `?lang=`: the language switch on our own pages. */
  readonly query?: string | undefined
  /** What the switch left in the language cookie. */
  readonly cookie?: string | undefined
  readonly acceptLanguage?: string | undefined
}

interface LanguageRange { readonly language: string, readonly quality: number }

const weight = /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i
const languageRange = /^(?:[a-z]{1,8}(?:-[a-z0-9]{1,8})*|\*)$/i

/** The language of a page: the person's own choice first, then the browser's. Buyers are Chinese, so silence means zh-CN. */
export function chooseLocale ({ query, cookie, acceptLanguage }: LocaleWishes): Locale {
  return parseLocale(query) ?? parseLocale(cookie) ?? negotiateLocale(acceptLanguage ?? '')
}

/** Only what our own switch writes; anything else is no choice. */
export function parseLocale (text: string | undefined): Locale | undefined {
  return locales.find((locale) => locale === text)
}

/** RFC 9110 §12.5.4. Any Chinese is better served by zh-CN than by English, any other language by English. */
function negotiateLocale (header: string): Locale {
  const ranges = header.split(',').map(parseRange).filter((range) => range !== undefined)
  const chinese = qualityOf('zh', ranges)
  const english = qualityOf('en', ranges)
  if (chinese !== english) return chinese > english ? 'zh-CN' : 'en'
  // Equally welcome: the one that the reader names first; neither named: somebody who reads another language.
  const first = ranges.find(({ language, quality }) => quality > 0 && language !== '*')
  return first === undefined || first.language === 'zh' ? 'zh-CN' : 'en'
}

/** Highest weight of any range for this language; `*` stands for what no range names. */
function qualityOf (language: string, ranges: readonly LanguageRange[]): number {
  const named = ranges.filter((range) => range.language === language)
  const matching = named.length > 0 ? named : ranges.filter((range) => range.language === '*')
  return Math.max(0, ...matching.map((range) => range.quality))
}

/** Reads `zh-Hant-TW;q=0.8` down to its language and weight; `undefined` for what the grammar doesn't allow. */
function parseRange (text: string): LanguageRange | undefined {
  const [range = '', parameter = 'q=1', ...rest] = text.split(';').map((part) => part.trim())
  if (!languageRange.test(range) || !weight.test(parameter) || rest.length > 0) return undefined
  return { language: range.split('-', 1)[0]?.toLowerCase() ?? '', quality: Number(parameter.slice(2)) }
}
