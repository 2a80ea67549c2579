// What a token that is well signed with the right key may still have wrong: one change each to good claims or a good header.
// `undefined` takes the member out.

interface Change { readonly id: string, readonly why: string, readonly change: Readonly<Record<string, unknown>> }
interface BadChange extends Change { readonly reason: string }

type Row = readonly [id: string, why: string, change: Readonly<Record<string, unknown>>]

const toChange = ([id, why, change]: Row): Change => ({ id, why, change })
const badBy = (reason: string, rows: readonly Row[]): BadChange[] => rows.map((row) => ({ ...toChange(row), reason }))

export function goodClaims (now: number): Change[] {
  const rows: Row[] = [
    ['good-clock-behind', 'ended a moment ago by our clock', { iat: now - 329, exp: now - 29 }],
    ['good-clock-ahead', 'made a moment from now by our clock', { iat: now + 29, exp: now + 329 }],
    ['good-nbf', 'may say from when', { nbf: now }],
    ['good-empty-texts', 'an account need have no department and no role', { department: '', role: '', name: '' }],
    ['good-unknown-claim', 'a later gateway may tell more', { future: { a: [1, 2.5e3, true, null, 'x'] } }],
    ['good-read-only', 'a purchase that allows no more', { access: 'read-only' }],
  ]
  return rows.map(toChange)
}

export function badClaims (now: number): BadChange[] {
  return [
    ...badBy('iss', [
      ['iss-missing', 'says not who made it', { iss: undefined }],
      ['iss-other', 'made by another gateway', { iss: 'https://other.example.com' }],
      ['iss-slash', 'almost ours', { iss: 'https://app.example.com/' }],
      ['iss-longer', 'begins as ours', { iss: 'https://app.example.com.attacker.test' }],
      ['iss-http', 'another scheme', { iss: 'http://app.example.com' }],
      ['iss-capitals', 'another spelling', { iss: 'https://APP.example.com' }],
      ['iss-array', 'a list', { iss: ['https://app.example.com'] }],
      ['iss-capital-name', 'the right value under another name', { iss: 'https://other.example.com', ISS: 'https://app.example.com' }],
    ]),
    ...badBy('aud', [
      ['aud-missing', 'for nobody, or everybody', { aud: undefined }],
      ['aud-other', 'for another application', { aud: 'app-2' }],
      ['aud-longer', 'begins as ours', { aud: 'app-10' }],
      ['aud-empty', 'for nobody', { aud: '' }],
      ['aud-null', 'for nobody', { aud: null }],
      ['aud-array', 'for us and another', { aud: ['app-1', 'app-2'] }],
      ['aud-array-of-one', 'the gateway writes no list', { aud: ['app-1'] }],
      ['aud-capital-name', 'the right value under another name', { aud: 'app-2', AUD: 'app-1' }],
    ]),
    ...badBy('time', badTimes(now)),
    ...badBy('claims', [
      ['sub-missing', 'about nobody', { sub: undefined }],
      ['sub-empty', 'about nobody', { sub: '' }],
      ['sub-number', 'no text', { sub: 7 }],
      ['jti-missing', 'has no name', { jti: undefined }],
      ['tenant-missing', 'of no enterprise', { tenant: undefined }],
      ['tenant-empty', 'of no enterprise', { tenant: '' }],
      ['user-missing', 'about nobody', { user: undefined }],
      ['user-null', 'about nobody', { user: null }],
      ['user-array', 'about several', { user: ['alice', 'mallory'] }],
      ['user-capital-name', 'the right value under another name', { user: undefined, User: 'alice' }],
      ['role-missing', 'a role that is not told is not the least one', { role: undefined }],
      ['role-object', 'no text', { role: { admin: true } }],
      ['access-missing', 'says not how much', { access: undefined }],
      ['access-empty', 'says not how much', { access: '' }],
    ]),
  ]
}

function badTimes (now: number): Row[] {
  return [
    ['exp-past', 'ended', { iat: now - 400, exp: now - 100 }],
    ['exp-past-at-the-limit', 'ended as long ago as clocks may differ', { iat: now - 330, exp: now - 30 }],
    ['exp-missing', 'never ends', { exp: undefined }],
    ['exp-null', 'never ends', { exp: null }],
    ['exp-string', 'no number', { exp: String(now + 300) }],
    ['exp-true', 'no number', { exp: true }],
    ['exp-fraction', 'no whole number', { exp: now + 100.5 }],
    ['exp-milliseconds', 'ends in fifty thousand years', { exp: now * 1000 }],
    ['exp-too-large', 'beyond exact numbers', { exp: 2 ** 70 }],
    ['exp-negative', 'ended before 1970', { exp: -now }],
    ['exp-capital-name', 'the right value under another name', { exp: undefined, EXP: now + 300 }],
    ['lives-too-long', 'by a second', { exp: now + 301 }],
    ['lives-for-hours', 'made an hour ago, not ended', { iat: now - 3600, exp: now + 100 }],
    ['iat-missing', 'says not when it was made', { iat: undefined }],
    ['iat-future', 'made in the future', { iat: now + 31, exp: now + 300 }],
    ['iat-future-nbf-past', 'made in the future, whatever else it says', { iat: now + 31, exp: now + 300, nbf: now }],
    ['iat-string', 'no number', { iat: String(now) }],
    ['nbf-future', 'not yet', { nbf: now + 31 }],
    ['nbf-string', 'no number', { nbf: String(now) }],
    ['nbf-null', 'no number', { nbf: null }],
  ]
}

export const badHeaders: readonly BadChange[] = [
  ...badBy('header', [
    ['crit', 'asks for what nobody here knows', { crit: ['future'], future: 1 }],
    ['crit-known', 'asks for what is there anyway', { crit: ['alg'] }],
    ['crit-empty', 'forbidden by RFC 7515 §4.1.11', { crit: [] }],
    ['b64-false', 'the payload as it is (RFC 7797)', { b64: false, crit: ['b64'] }],
    ['b64-false-not-critical', 'the same, silently', { b64: false }],
  ]),
  ...badBy('alg', [
    ['alg-missing', 'says not how', { alg: undefined }],
    ['alg-array', 'a list', { alg: ['ES256'] }],
    ['alg-lower-case', 'names are exact', { alg: 'es256' }],
    ['alg-es256k', 'another curve', { alg: 'ES256K' }],
    ['alg-rs256-with-this-key', 'a good signature under a wrong name', { alg: 'RS256' }],
    ['alg-capital-name', 'under another name', { alg: undefined, ALG: 'ES256' }],
  ]),
  ...badBy('typ', [
    ['typ-missing', 'says not what it is', { typ: undefined }],
    ['typ-jwt', 'any token', { typ: 'JWT' }],
    ['typ-access-token', 'an access token', { typ: 'at+jwt' }],
    ['typ-logout', 'a logout token', { typ: 'logout+jwt' }],
    ['typ-capitals', 'names are exact', { typ: 'Gateway-Identity+JWT' }],
    ['typ-array', 'a list', { typ: ['gateway-identity+jwt'] }],
  ]),
  ...badBy('kid', [
    ['kid-missing', 'names no key', { kid: undefined }],
    ['kid-empty', 'names no key', { kid: '' }],
    ['kid-number', 'no text', { kid: 1 }],
    ['kid-array', 'a list', { kid: ['key-1'] }],
    ['kid-proto', 'a name that some tables always have', { kid: '__proto__' }],
    ['kid-constructor', 'another such name', { kid: 'constructor' }],
    ['kid-path', 'a name that is a path', { kid: '../../dev/null' }],
  ]),
]
