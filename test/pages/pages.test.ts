import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { faults } from '../../src/base/coded-errors.ts'
import type { TenantId, UserName } from '../../src/directory/model.ts'
import { refusalReasons } from '../../src/directory/refusal.ts'
import { locales } from '../../src/pages/choose-locale.ts'
import { createPages } from '../../src/pages/pages.ts'
import { parseLoginReason, signInLocation } from '../../src/pages/sign-in-location.ts'
import { compileTemplates } from '../../src/pages/templates.ts'
import type { FaultCode } from '../../src/pages/texts/page-texts.ts'
import type { Choice } from '../../src/pages/views.ts'
import { isFaultCode, textsOf } from '../../src/pages/texts/texts-of.ts'

const prefix = '/_gate'
const at = Date.UTC(2025, 4, 6, 7, 8, 9)
const supportCode = '7KQ2-M9XD'
const faultCodes = Object.values(faults).map((Fault) => new Fault().code)
const loopCauses = ['cookies-blocked', 'insecure-address', 'session-lost', 'state-lost'] as const
const notices = ['cookie-ambiguous', 'session-unknown', 'session-idle', 'session-expired', 'tokens-ended', 'role-changed'] as const
const unescape: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'" }

const personOf = (text: string) => ({ name: text, userName: text as UserName, tenantName: text, tenantId: text as TenantId })
const pagesFor = (applicationName: string) => createPages({ prefix, applicationName, publicUrl: 'https://app.example.com' })

const everyChoice = (text: string): Choice => ({
  instanceId: text, product: text, order: text, paidUntil: at, role: 'admin', access: 'read-only', isCurrent: true,
})
const bareChoice = (text: string): Choice => ({ instanceId: text, order: text, role: 'user', access: 'full', isCurrent: false })

/** Every page in one language, all data of persons and requests being `text`. */
function everyPage (locale: (typeof locales)[number], text: string, pages = pagesFor(text)): Map<string, string> {
  const person = personOf(text)
  const here = `${prefix}/x?q=${encodeURIComponent(text)}`
  const all = new Map([
    ['sign-in', pages.signIn({ locale, returnTo: text, formActions: [] })],
    ...notices.map((because) => [`sign-in ${because}`, pages.signIn({ locale, returnTo: '/', because, formActions: [] })] as const),
    ['confirm', pages.confirm({ locale, here, person, antiForgery: text })],
    ['confirm, somebody else in', pages.confirm({ locale, here, person, current: person, antiForgery: text })],
    ...(['sign-in', 'wish', 'closed'] as const).map((because) => [`choose ${because}`, pages.choose({
      locale,
      here,
      userName: text,
      tenantName: text,
      question: text,
      returnTo: '/kept',
      because,
      choices: [everyChoice(text), bareChoice(text)],
    })] as const),
    ['sign-out', pages.signOut({ locale, here, person, antiForgery: text, formActions: [] })],
    ['account', pages.account({
      locale,
      here,
      person,
      sessions: [true, false].map((isCurrent) => ({ ref: text, createdAt: at, lastSeenAt: at, endsAt: at, isCurrent })),
    })],
    ['signed-out', pages.signedOut({ locale, here })],
    ...refusalReasons.map((reason) => [reason, pages.refusal({ locale, reason, supportCode: text, at, returnTo: text })] as const),
    ...loopCauses.map((cause) => [`loop ${cause}`, pages.refusal({ locale, reason: 'login-loop', cause, supportCode: text, at })] as const),
    ...faultCodes.map((code) => [code, pages.fault({ locale, code, supportCode: text, at, retryAfterSeconds: 5 })] as const),
  ])
  return new Map([...all].map(([name, { html }]) => [name, html]))
}

const shown = (html: string): string => html.replace(/<[^>]*>/g, '').replace(/&(?:amp|lt|gt|quot|#39);/g, (entity) => unescape[entity] ?? '')
const attributes = (html: string, name: string): string[] =>
  [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, 'g'))].map(([, value = '']) => value.replace(/&\w+;/g, (entity) => unescape[entity] ?? ''))
/** Elements that are opened and closed in another order or number. */
function unbalanced (html: string): string[] {
  const open: string[] = []
  for (const [, slash, tag = '', selfClosing] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*?(\/?)>/g)) {
    if (slash === '' && selfClosing === '' && !['meta', 'link', 'img', 'input'].includes(tag)) open.push(tag)
    if (slash === '/' && open.pop() !== tag) return [tag]
  }
  return open
}
const count = (html: string, pattern: RegExp): number => [...html.matchAll(pattern)].length

t.test('only a layout\'s body and a fixed partial are put out as they stand: templates that have escaped for themselves', async (t) => {
  const folder = new URL('../../views/', import.meta.url)
  const raw = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.eta')).sort()
    .flatMap((name) => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/<%[-_]?\s*~.*?%>/gs)].map(([tag]) => `${name}: ${tag}`))
  t.strictSame(raw.filter((found) => !/(?:(?:^|\/)layout\.eta: <%~ it\.body|: <%~ include\('@[a-z-]+'(?:, it)?\)) %>$/.test(found)), [])
  t.ok(raw.includes('layout.eta: <%~ it.body %>'), 'the scan sees what it looks for')
})

t.test('every refusal and every fault has a page of its own in both languages, with support code, reason and time (C-63)', async (t) => {
  const titles = new Map<string, string>()
  for (const locale of locales) {
    const pages = everyPage(locale, 'zhang', pagesFor('App'))
    for (const name of [...refusalReasons, ...faultCodes]) {
      const html = pages.get(name) ?? ''
      const { title, whatHappened, whatToDo } = isFaultCode(name) ? textsOf(locale).faults[name] : textsOf(locale).refusals[name as 'login-loop']
      for (const text of [title, whatHappened, whatToDo, 'zhang', name, '2025-05-06 15:08:09 UTC+8']) t.ok(shown(html).includes(text), `${name} ${locale}: ${text}`)
      t.ok(html.includes('datetime="2025-05-06T07:08:09.000Z"'), 'and as the log says it')
      t.equal(/[\u4e00-\u9fff]/.test([title, whatHappened, whatToDo].join('')), locale === 'zh-CN', `${name} is written in ${locale}`)
      t.notOk(titles.has(title), `${title} is said once`)
      titles.set(title, name)
    }
  }
})

t.test('both languages say everything, each in its own words', async (t) => {
  const flatten = (value: unknown, path: string): Array<[string, string]> => typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => flatten(inner, `${path}.${key}`))
    : [[path, typeof value === 'function' ? String((value as (input: string) => string)('A')) : String(value)]]
  const [chinese, english] = locales.map((locale) => new Map(flatten(textsOf(locale), 'texts')))
  t.strictSame([...chinese?.keys() ?? []].sort(), [...english?.keys() ?? []].sort())
  for (const [path, text] of chinese ?? []) {
    t.ok(text.trim().length > 0 && text !== english?.get(path), `${path} differs`)
  }
})

t.test('a fault code is known only if it is in the catalogue', async (t) => {
  for (const code of ['__proto__', 'constructor', 'toString', 'FST_ERR_VALIDATION', '', undefined, 7]) t.notOk(isFaultCode(code), String(code))
  t.ok(faultCodes.every((code: FaultCode) => isFaultCode(code)))
})

t.test('every page is a whole document that needs no script: one h1, a language, landmarks, nothing inline', async (t) => {
  for (const locale of locales) {
    for (const [name, html] of everyPage(locale, 'Zhang Wei')) {
      const says = (sentence: string): string => `${name} ${locale}: ${sentence}`
      t.ok(html.startsWith('<!doctype html>\n') && html.includes(`<html lang="${locale}">`), says('doctype and language'))
      t.strictSame([count(html, /<h1[ >]/g), count(html, /<main[ >]/g)], [1, 1], says('one h1, one main'))
      t.match(html, /<title>[^<]+<\/title>/, says('title'))
      t.notMatch(html, /<script|<style|\sstyle=|\son\w+=|javascript:|<iframe|http-equiv/i, says('nothing that the policy forbids'))
      t.notMatch(html, /undefined|\[object|null|NaN/, says('no hole in the text'))
      t.notMatch(shown(html), /\{\w+\}/, says('no placeholder left'))
      const ids = attributes(html, 'id')
      t.equal(new Set(ids).size, ids.length, says('ids are unique'))
      for (const id of [...attributes(html, 'aria-describedby'), ...attributes(html, 'aria-labelledby')].flatMap((list) => list.split(' '))) {
        t.ok(ids.includes(id), says(`aria reference ${id} has a target`))
      }
      t.strictSame(unbalanced(html), [], says('every element is closed'))
    }
  }
})

t.test('every form is sent by POST to an address under the prefix, and every link stays on our origin (T-09)', async (t) => {
  for (const [name, html] of everyPage('en', '/projects?id=7')) {
    for (const [form] of html.matchAll(/<form[^>]*>/g)) t.match(form, /^<form method="post" action="\/_gate\/(sign-in|confirm|choose|account|sign-out)">$/, `${name}: ${form}`)
    for (const href of attributes(html, 'href')) t.match(href, /^$|^\/(?!\/)/, `${name}: ${href}`)
    t.equal(count(html, /<form/g), count(html, /<button type="submit"/g), `${name}: each form has its button`)
    t.notMatch(html, /<input(?! type="hidden")/, `${name}: no field without a label`)
  }
})

t.test('the sign-in page works without script and keeps where the person wanted to go, also across languages', async (t) => {
  const { html } = pagesFor('云图 & Co').signIn({ locale: 'zh-CN', returnTo: '/a?b=c&d=%E4', because: 'session-idle', formActions: [] })
  t.match(html, /<form method="post" action="\/_gate\/sign-in">\s*<input type="hidden" name="return_to" value="\/a\?b=c&amp;d=%E4">/)
  t.match(shown(html), /登录 云图 & Co/)
  t.match(shown(html), /使用云商店联营账号登录/)
  t.match(shown(html), /由于长时间没有操作/)
  t.match(shown(html), /无痕/)
  const links = attributes(html, 'href').filter((href) => href.includes('lang='))
  t.equal(links.length, 2)
  for (const link of links) {
    const url = new URL(link, 'https://app.example.com')
    t.equal(url.pathname, '/_gate/sign-in')
    t.strictSame([url.searchParams.get('return_to'), url.searchParams.get('because')], ['/a?b=c&d=%E4', 'session-idle'])
  }
  t.strictSame(links.map((link) => link.slice(link.indexOf('lang='))), ['lang=zh-CN', 'lang=en'])
  t.match(pagesFor('App').signIn({ locale: 'en', returnTo: '/', formActions: [] }).html, 'Sign in with your KooGallery account')
  t.notMatch(pagesFor('App').signIn({ locale: 'en', returnTo: '/', because: 'no-cookie', formActions: [] }).html, 'role="status"')
})

t.test('the address of the sign-in page holds what is worth saying and no more', async (t) => {
  t.equal(signInLocation('/_gate'), '/_gate/sign-in')
  t.equal(signInLocation('/_gate', { returnTo: '/', because: 'no-cookie' }), '/_gate/sign-in')
  t.equal(signInLocation('/_gate', { returnTo: '/a b?c=&d#e', because: 'tokens-ended' }), '/_gate/sign-in?return_to=%2Fa+b%3Fc%3D%26d%23e&because=tokens-ended')
  for (const because of notices) t.equal(parseLoginReason(because), because)
  for (const value of ['no-cookie', 'constructor', '', undefined, ['session-idle']]) t.equal(parseLoginReason(value), undefined, String(value))
})

t.test('each button that ends a sign-in says which one to who only hears it, and begins with the words that are seen (WCAG 2.4.6, 2.5.3)', async (t) => {
  const times = [Date.UTC(2025, 0, 1, 0, 1), Date.UTC(2025, 0, 1, 0, 2)]
  for (const [locale, seen] of [['en', 'End this sign-in'], ['zh-CN', '结束此登录']] as const) {
    const { html } = pagesFor('App').account({
      locale,
      here: '/',
      person: personOf('N'),
      sessions: [0, ...times].map((createdAt, at) => ({ ref: `r${at}`, createdAt, lastSeenAt: createdAt + 60_000, endsAt: createdAt, isCurrent: at === 0 })),
    })
    const names = [...html.matchAll(/<button type="submit" class="button quiet" aria-label="([^"]*)">([^<]*)<\/button>/g)]
    t.equal(names.length, 2, 'one for each but the current one')
    t.same(names.map(([, name, text]) => [name?.startsWith(`${seen}`), text]), [[true, seen], [true, seen]])
    t.same(names.map(([, name]) => name?.match(/\d\d:\d\d UTC\+8/g)), [['08:01 UTC+8', '08:02 UTC+8'], ['08:02 UTC+8', '08:03 UTC+8']])
  }
  const unsafe = compileTemplates().render('account', {
    title: '',
    facts: [],
    explanation: '',
    signOut: { href: '', label: '' },
    sessions: [{ mark: undefined, facts: [], form: { action: '', button: '', name: '"><b>&', fields: [] } }],
  })
  t.match(unsafe, 'aria-label="&quot;&gt;&lt;b&gt;&amp;"')
})

t.test('the confirm page names the person, the account and the enterprise, and offers a way out', async (t) => {
  const person = { ...personOf('x'), name: '张伟', userName: 'zhangwei' as UserName, tenantName: '华信智能' }
  const english = pagesFor('App').confirm({ locale: 'en', person, antiForgery: 't0ken' }).html
  const chinese = pagesFor('App').confirm({ locale: 'zh-CN', person, antiForgery: 't0ken' }).html
  t.match(english, '<h1>Continue as <bdi>张伟</bdi> of <bdi>华信智能</bdi>?</h1>')
  t.match(chinese, '<h1>以“<bdi>华信智能</bdi>”的“<bdi>张伟</bdi>”身份继续？</h1>')
  for (const html of [english, chinese]) {
    t.match(html, '<bdi>zhangwei</bdi>')
    t.match(html, /action="\/_gate\/confirm">\s*<input type="hidden" name="anti_forgery" value="t0ken">/)
    t.match(html, 'href="/_gate/sign-in"')
    t.notMatch(html, 'lang=en', 'no switch without an address that may be loaded again')
  }
})

t.test('the confirm page names whoever is signed in until the answer, and the way out leads back to them (T-11)', async (t) => {
  const person = { ...personOf('x'), name: '张伟', userName: 'zhangwei' as UserName, tenantName: '华信智能' }
  const current = { ...personOf('x'), name: '王五', userName: 'wangwu' as UserName, tenantName: '晨曦科技' }
  for (const locale of locales) {
    const { html } = pagesFor('App').confirm({ locale, person, current, antiForgery: 't0ken' })
    for (const name of ['王五', 'wangwu', '晨曦科技']) t.match(html, `<bdi>${name}</bdi>`, locale)
    t.match(html, '<a class="button quiet" href="/"')
    t.ok(shown(html).includes(textsOf(locale).confirm.stay))
  }
})

t.test('the page of several purchases tells them apart: product, order, day in UTC+8, role, what is special', async (t) => {
  const choices: Choice[] = [
    { instanceId: 'i-1', product: '专业版', order: 'CS2501', paidUntil: Date.UTC(2026, 11, 31, 15, 59), role: 'admin', access: 'full', isCurrent: true },
    { instanceId: 'i-2', order: 'CS2502', paidUntil: Date.UTC(2026, 11, 31, 16), role: 'user', access: 'read-only', isCurrent: false },
  ]
  const view = { locale: 'en', userName: 'lihua', tenantName: '晨曦科技', question: 'q-1', choices, returnTo: '/p?q=1', because: 'wish' } as const
  const pages = pagesFor('App')
  const { html } = pages.choose(view)
  const [first = '', second = ''] = html.split('</form>')
  for (const text of ['专业版', 'CS2501', '2026-12-31', 'Administrator', 'In use now']) t.ok(shown(first).includes(text), text)
  for (const text of ['Subscription CS2502', '2027-01-01', 'Member', 'Read only']) t.ok(shown(second).includes(text), text)
  t.notMatch(second, 'In use now')
  for (const [index, form] of [first, second].entries()) {
    t.match(form, `name="instance" value="i-${index + 1}"`)
    t.match(form, 'name="question" value="q-1"')
    t.match(form, 'name="return_to" value="/p?q=1"')
  }
  t.match(html, 'href="/p?q=1"', 'a way back')
  for (const because of ['sign-in', 'closed'] as const) t.notMatch(pages.choose({ ...view, because }).html, 'href="/p?q=1"', `${because}: there is none`)
  t.ok(shown(pages.choose({ ...view, because: 'closed' }).html).includes(textsOf('en').choose.closed))
})

t.test('the sign-out page carries the anti-forgery value only if there is one', async (t) => {
  const view = { locale: 'en', person: personOf('x'), formActions: [] } as const
  t.match(pagesFor('App').signOut({ ...view, antiForgery: 't0ken' }).html, 'name="anti_forgery" value="t0ken"')
  t.notMatch(pagesFor('App').signOut(view).html, '<input')
  t.match(pagesFor('App').signedOut({ locale: 'en' }).html, 'href="/_gate/sign-in"')
})

t.test('the page of a loop names the cause it was given and has no button that would turn another round (C-19)', async (t) => {
  for (const cause of loopCauses) {
    const { html } = pagesFor('App').refusal({ locale: 'en', reason: 'login-loop', cause, supportCode, at })
    t.ok(shown(html).includes(textsOf('en').loopCauses[cause]), cause)
    t.notMatch(html, 'class="button"')
  }
})

t.test('the way to renew is a button on the page of whoever may renew, and only there', async (t) => {
  const renewUrl = 'https://shop.example.com/orders?a=1&b=2#/renew'
  const reasons = refusalReasons.filter((reason) => reason.startsWith('instance-'))
  t.strictSame(reasons, ['instance-not-ready', 'instance-expired', 'instance-frozen', 'instance-released'])
  for (const locale of locales) {
    for (const reason of reasons) {
      const view = { locale, reason, supportCode, at, returnTo: '/p' }
      const [plain, renewable] = [pagesFor('App').refusal(view).html, pagesFor('App').refusal({ ...view, renewUrl }).html]
      const links = (html: string): string[] => attributes(html, 'href').filter((href) => !href.includes('/assets/'))
      t.strictSame(links(plain), ['/_gate/sign-in?return_to=%2Fp'], `${reason} ${locale}`)
      t.strictSame(links(renewable), [renewUrl, '/_gate/sign-in?return_to=%2Fp'], `${reason} ${locale}: first the way to renew, then the way back`)
      t.ok(shown(renewable).includes(textsOf(locale).actions.renew))
      t.notOk(shown(plain).includes(textsOf(locale).actions.renew))
      t.strictSame(unbalanced(renewable), [])
    }
  }
})

t.test('the next step after a refusal leads back to where the person wanted to go', async (t) => {
  const hrefOf = (reason: (typeof refusalReasons)[number]): string | undefined =>
    attributes(pagesFor('App').refusal({ locale: 'en', reason, supportCode, at, returnTo: '/p' }).html, 'href').find((href) => !href.includes('/assets/'))
  t.equal(hrefOf('account-not-authorised'), '/_gate/sign-in?return_to=%2Fp')
  t.equal(hrefOf('flow-expired'), '/_gate/sign-in?return_to=%2Fp')
  t.equal(hrefOf('code-reused'), '/p')
  t.match(shown(pagesFor('App').fault({ locale: 'en', code: 'GW_STORAGE_UNAVAILABLE', supportCode, at, retryAfterSeconds: 1 }).html), 'in about 1 second.')
  t.match(shown(pagesFor('App').fault({ locale: 'zh-CN', code: 'GW_STORAGE_UNAVAILABLE', supportCode, at, retryAfterSeconds: 30 }).html), '30 秒')
})

t.test('a request that may have been carried out gets no button that would repeat it', async (t) => {
  const hrefsOf = (code: FaultCode, locale: (typeof locales)[number]): string[] =>
    attributes(pagesFor('App').fault({ locale, code, supportCode, at }).html, 'href').filter((href) => !href.includes('/assets/'))
  for (const locale of locales) {
    for (const code of ['GW_UPSTREAM_LOST', 'GW_UPSTREAM_TIMEOUT'] as const) {
      t.strictSame(hrefsOf(code, locale), ['/'], `${code} ${locale}`)
      t.equal(textsOf(locale).faults[code].whatToDo, textsOf(locale).faults.GW_UPSTREAM_TIMEOUT.whatToDo)
    }
    t.strictSame(hrefsOf('GW_UPSTREAM_UNREACHABLE', locale), [''], 'what reached nobody may be sent again')
  }
})

t.test('nothing a buyer or a request brings becomes markup, in any field of any page (T-42 names among them)', async (t) => {
  const evil = ['<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "' autofocus onfocus='x", '{name}', '{enterprise}', '__proto__', 'constructor',
    '<%= it %>', '</title><base href=//evil>', '&lt;b&gt;', '\u202etxt']
  const structure = (html: string): string => [...html.matchAll(/<\/?[a-z][a-z0-9]*|\s[a-z-]+(?==")/g)].join('')
  for (const locale of locales) {
    const plain = everyPage(locale, 'plain')
    for (const text of evil) {
      const pages = [...everyPage(locale, text)]
      t.strictSame(pages.filter(([name, html]) => structure(html) !== structure(plain.get(name) ?? '')), [], `${text} leaves the structure as it is`)
      t.strictSame(pages.filter(([, html]) => !shown(html).includes(text)), [], `${text} is shown as it is`)
    }
  }
})

t.test('no text at all can change the structure of the confirm page', async (t) => {
  const pages = pagesFor('App')
  const tags = (text: string): string => [...pages.confirm({ locale: 'zh-CN', person: personOf(text), antiForgery: text }).html.matchAll(/[<>"]/g)].join('')
  const expected = tags('plain')
  t.doesNotThrow(() => fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => tags(text) === expected), { numRuns: 300 }))
})
