import { createHmac, createSign, generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { pathToFileURL } from 'node:url'
import { writeFileSync } from 'node:fs'
import type { CryptoKey } from 'jose'
import type { AppId, InstanceId, Principal, TenantId, UserName } from '../../src/directory/model.ts'
import { signAssertion } from '../../src/forward/assertion.ts'
import { badClaims, badHeaders, goodClaims } from './vector-tables.ts'
import type { Vector, Vectors } from './vectors.ts'

// `npx tsx docs/upstream/make-vectors.ts` writes vectors.json anew, with new keys. The heavy test makes fresh ones for itself.

const issuer = 'https://app.example.com'
const audience = 'app-1'

const alice: Principal = {
  tenantId: 'a1b2c3' as TenantId,
  tenantName: '示例企业',
  appId: audience as AppId,
  instanceId: 'instance-1' as InstanceId,
  userName: 'alice' as UserName,
  name: '爱丽丝 "A%" \\ 😀',
  role: 'user',
  departmentCode: 'D-01',
  access: 'full',
}

type Members = Readonly<Record<string, unknown>>

function ecKey (kid: string, namedCurve = 'P-256', more: Members = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve })
  return { kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig', ...more } }
}

const encode = (value: string | Buffer): string => Buffer.from(value).toString('base64url')
const encodeJson = (value: unknown): string => encode(JSON.stringify(value))

/** A token with whatever header and claims, signed as ES256 by whatever key. */
function token (header: unknown, claims: unknown, key: KeyObject, dsaEncoding: 'ieee-p1363' | 'der' = 'ieee-p1363'): string {
  const text = `${encodeJson(header)}.${encodeJson(claims)}`
  return `${text}.${encode(sign('sha256', Buffer.from(text), { key, dsaEncoding }))}`
}

function makeKeys () {
  const offCurve = ecKey('off-curve')
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return {
    active: ecKey('key-1'),
    next: ecKey('key-2'),
    p384: ecKey('key-p384', 'P-384', { alg: 'ES384' }),
    mislabelled: ecKey('key-p384-as-es256', 'P-384'),
    encryption: ecKey('key-enc', 'P-256', { use: 'enc' }),
    otherUse: ecKey('key-ecdh', 'P-256', { alg: 'ECDH-ES' }),
    offCurve: { ...offCurve, jwk: { ...offCurve.jwk, y: offCurve.jwk.x } },
    rsa: { ...rsa, jwk: { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'key-rsa', use: 'sig' } },
    attacker: ecKey('key-attacker'),
  }
}
type Keys = ReturnType<typeof makeKeys>

/** @param now epoch seconds */
export async function makeVectors (now: number): Promise<Vectors> {
  const keys = makeKeys()
  const { attacker, ...published } = keys
  const good = await realAssertion(keys.active, now)
  const [head = '', payload = ''] = good.split('.')
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Members
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Members
  const identity = identityOf(claims)
  const signedWith = (change: Members, more: Members = {}): string => {
    return token({ ...header, ...more }, { ...claims, ...change }, keys.active.privateKey)
  }
  const vectors: Vector[] = [
    { id: 'good', why: 'as the gateway makes it', values: [good], identity },
    { id: 'good-next-key', why: 'signed with the key that was published ahead', values: [await realAssertion(keys.next, now)], identity },
    { id: 'good-plain-headers-lie', why: 'beside it anybody may write anything', values: [good], headers: lies, identity },
    { id: 'good-unknown-header-member', why: 'may be ignored (RFC 7515 §4)', values: [signedWith({}, { future: 1 })], identity },
    { id: 'good-json-escapes', why: 'every character escaped', values: [escaped(header, claims, keys.active.privateKey)], identity },
    ...goodClaims(now).map(({ id, why, change }) => {
      return { id, why, values: [signedWith(change)], identity: identityOf({ ...claims, ...change }) }
    }),
    ...badClaims(now).map(({ id, why, change, reason }) => ({ id, why, values: [signedWith(change)], reason })),
    ...badHeaders.map(({ id, why, change, reason }) => ({ id, why, values: [signedWith({}, change)], reason })),
    ...malformed(good, header, claims, keys),
    ...foreignAlgorithms(header, claims, keys),
    ...foreignKeys(header, claims, keys),
    ...badSignatures(good, header, claims, keys),
  ]
  return { about, issuer, audience, now, jwks: { keys: Object.values(published).map(({ jwk }) => jwk) }, vectors }
}

const about = 'Made by make-vectors.ts. Send each to the upstream with the keys of `jwks` and the clock at `now`: `identity` means 200, `reason` 401.'

const lies = { 'x-identity-user': 'mallory', 'x-identity-role': 'admin', 'x-identity-tenant': 'other', 'x-identity-access': 'full' }

async function realAssertion ({ kid, privateKey }: Keys['active'], now: number): Promise<string> {
  // `jose` takes node's key objects too; the product's type names the other kind.
  const key = { kid, privateKey: privateKey as unknown as CryptoKey }
  return await signAssertion({ key, issuer, principal: alice, now: now * 1000 })
}

function identityOf (claims: Members): Record<string, string | number> {
  const { sub: subject, tenant_name: tenantName, exp: expiresAt, tenant, user, name, role, department, instance, access } = claims
  return { subject, tenant, tenantName, user, name, role, department, instance, access, expiresAt } as Record<string, string | number>
}

function escaped (header: Members, claims: Members, key: KeyObject): string {
  const escape = (text: string): string => {
    return `"${text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}"`
  }
  const members = Object.entries(claims).map(([name, value]) => {
    return ` ${escape(name)} :\t${typeof value === 'string' ? escape(value) : String(value)}\r\n`
  })
  return signText(`${encodeJson(header)}.${encode(`{${members.join(',')}} `)}`, key)
}

function signText (text: string, key: KeyObject): string {
  return `${text}.${encode(sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }))}`
}

function malformed (good: string, header: Members, claims: Members, { active: { privateKey } }: Keys): Vector[] {
  const [head = '', payload = '', signature = ''] = good.split('.')
  const signed = (text: string): string => signText(text, privateKey)
  const flattened = JSON.stringify({ protected: head, payload, signature })
  const rows: Array<[id: string, why: string, ...values: string[]]> = [
    ['empty', 'an empty header', ''],
    ['same-header-twice', 'two header lines, both good', good, good],
    ['two-headers', 'two header lines, the first good', good, token(header, { ...claims, user: 'mallory' }, privateKey)],
    ['comma', 'two tokens in one line', `${good}, ${good}`],
    ['bearer', 'an authentication scheme before it', `Bearer ${good}`],
    ['two-parts', 'no signature and no dot for one', `${head}.${payload}`],
    ['four-parts', 'a part too many', `${good}.${signature}`],
    ['five-parts', 'as an encrypted token', `${good}.${signature}.${signature}`],
    ['trailing-dot', 'an extra dot at the end', `${good}.`],
    ['leading-dot', 'an extra dot at the start', `.${good}`],
    ['double-dot', 'an extra dot inside', `${head}..${payload}.${signature}`],
    ['padded', 'base64 with padding', `${good}==`],
    ['plain-base64', 'the other alphabet of base64', `${head}.${payload}.+/${signature.slice(2)}`],
    ['json-serialisation', 'the other form of RFC 7515 §7.2', flattened],
    ['huge', 'well signed, ten thousand characters', token(header, { ...claims, more: 'x'.repeat(7000) }, privateKey)],
    ['header-not-base64', 'a length that base64 never has', signed(`A.${payload}`)],
    ['header-not-json', 'text', signed(`${encode('gateway')}.${payload}`)],
    ['header-array', 'no object', signed(`${encodeJson([header])}.${payload}`)],
    ['header-null', 'no object', signed(`${encode('null')}.${payload}`)],
    ['header-deep', 'brackets to no end', signed(`${encode('['.repeat(4000))}.${payload}`)],
    ['header-trailing', 'something behind the object', signed(`${encode(`${JSON.stringify(header)}{}`)}.${payload}`)],
    ['payload-not-json', 'well signed text', signed(`${head}.${encode('alice')}`)],
    ['payload-bad-word', 'well signed, almost JSON', signed(`${head}.${encode(`${JSON.stringify(claims).slice(0, -1)},"a":trve}`)}`)],
    ['payload-array', 'well signed, no object', signed(`${head}.${encodeJson([claims])}`)],
    ['payload-null', 'well signed, no object', signed(`${head}.${encode('null')}`)],
    ['payload-deep', 'well signed, brackets to no end', signed(`${head}.${encode('{"a":'.repeat(900))}`)],
    ['payload-not-utf-8', 'well signed bytes', signed(`${head}.${encode(Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}')]))}`)],
  ]
  const missing: Vector = { id: 'missing', why: 'no header at all, only plain ones', values: [], headers: lies, reason: 'missing' }
  return [missing, ...rows.map(([id, why, ...values]) => ({ id, why, values, reason: 'malformed' }))]
}

function foreignAlgorithms (header: Members, claims: Members, { active, rsa, p384 }: Keys): Vector[] {
  const text = (change: Members): string => `${encodeJson({ ...header, ...change })}.${encodeJson(claims)}`
  const hmac = (alg: string, hash: string, secret: string): string => {
    return `${text({ alg })}.${encode(createHmac(hash, secret).update(text({ alg })).digest())}`
  }
  const pem = active.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const none = text({ alg: 'none' })
  const rs256 = text({ alg: 'RS256', kid: 'key-rsa' })
  const es384 = text({ alg: 'ES384', kid: 'key-p384' })
  const rows: Array<[id: string, why: string, value: string]> = [
    ['alg-none', 'nobody signed it', `${none}.`],
    ['alg-none-spelled', 'nobody signed it, another spelling', `${text({ alg: 'nOnE' })}.`],
    ['alg-none-signature', 'none, with a good signature', token({ ...header, alg: 'none' }, claims, active.privateKey)],
    ['alg-hs256-public-key', 'the public key as the secret (PEM)', hmac('HS256', 'sha256', pem)],
    ['alg-hs512-public-key', 'the same, as long as an ES256 signature', hmac('HS512', 'sha512', pem)],
    ['alg-hs256-jwk', 'the public key as the secret (JSON)', hmac('HS256', 'sha256', JSON.stringify(active.jwk))],
    ['alg-rs256', 'a published RSA key', `${rs256}.${encode(createSign('sha256').update(rs256).sign(rsa.privateKey))}`],
    ['alg-es384', 'a published key of another curve', `${es384}.${encode(sign('sha384', Buffer.from(es384), { key: p384.privateKey, dsaEncoding: 'ieee-p1363' }))}`],
  ]
  return rows.map(([id, why, value]) => ({ id, why, values: [value], reason: 'alg' }))
}

function foreignKeys (header: Members, claims: Members, { active, next, attacker, ...others }: Keys): Vector[] {
  const forged = (change: Members): string => token({ ...header, ...change }, claims, attacker.privateKey)
  const by = ({ privateKey, kid }: { privateKey: KeyObject, kid: string }): string[] => [token({ ...header, kid }, claims, privateKey)]
  return [
    { id: 'forged', why: 'another key under the known name', values: [forged({})], reason: 'signature' },
    { id: 'kid-of-another', why: 'well signed, under the name of the next key', values: [token({ ...header, kid: next.kid }, claims, active.privateKey)], reason: 'signature' },
    { id: 'kid-unknown', why: 'a key that was never published', values: [forged({ kid: attacker.kid })], reason: 'kid' },
    { id: 'jwk', why: 'brings its own key', values: [forged({ jwk: attacker.jwk })], reason: 'header' },
    { id: 'jwk-without-kid', why: 'brings its own key and names none', values: [forged({ kid: undefined, jwk: attacker.jwk })], reason: 'header' },
    { id: 'jku', why: 'says where its key is', values: [forged({ kid: attacker.kid, jku: 'https://attacker.test/jwks.json' })], reason: 'header' },
    { id: 'x5u', why: 'says where its certificate is', values: [forged({ kid: attacker.kid, x5u: 'https://attacker.test/chain.pem' })], reason: 'header' },
    { id: 'x5c', why: 'brings its own certificate', values: [forged({ x5c: ['MIIB'] })], reason: 'header' },
    { id: 'key-rsa', why: 'names a key of another type', values: [token({ ...header, kid: 'key-rsa' }, claims, active.privateKey)], reason: 'kid' },
    { id: 'key-other-curve', why: 'a P-384 key and signature', values: by(others.p384), reason: 'kid' },
    { id: 'key-other-curve-mislabelled', why: 'the same, published as if for ES256', values: by(others.mislabelled), reason: 'kid' },
    { id: 'key-for-encryption', why: 'a good signature of a key with use=enc', values: by(others.encryption), reason: 'kid' },
    { id: 'key-for-another-algorithm', why: 'a good signature of a key for ECDH-ES', values: by(others.otherUse), reason: 'kid' },
    { id: 'key-off-curve', why: 'names a key that is no point of the curve', values: by(others.offCurve), reason: 'kid' },
  ]
}

function badSignatures (good: string, header: Members, claims: Members, { active }: Keys): Vector[] {
  const [head = '', payload = '', signature = ''] = good.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  const flipped = Buffer.from(bytes)
  flipped.writeUInt8(flipped.readUInt8(40) ^ 1, 40)
  const lastCharacter = { A: 'B', Q: 'R', g: 'h', w: 'x' }[signature.at(-1) ?? ''] ?? ''
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  const ends: Array<[id: string, why: string, value: string]> = [
    ['signature-empty', 'signed by nobody', ''],
    ['signature-tampered', 'one bit', encode(flipped)],
    ['signature-short', '63 bytes', encode(bytes.subarray(0, 63))],
    ['signature-long', '65 bytes', encode(Buffer.concat([bytes, Buffer.alloc(1)]))],
    ['signature-respelled', 'the same bytes in other letters', signature.slice(0, -1) + lastCharacter],
    ['signature-zeros', 'CVE-2022-21449', encode(Buffer.alloc(64))],
    ['signature-order', 'r and s are the order of the curve', encode(Buffer.concat([order, order]))],
    ['signature-swapped', 's before r', encode(Buffer.concat([bytes.subarray(32), bytes.subarray(0, 32)]))],
  ]
  return [
    ...ends.map(([id, why, end]) => ({ id, why, values: [`${head}.${payload}.${end}`], reason: 'signature' })),
    { id: 'signature-der', why: 'a good signature in the form of X.509', values: [token(header, claims, active.privateKey, 'der')], reason: 'signature' },
    { id: 'payload-tampered', why: 'another user under a good signature', values: [`${head}.${encodeJson({ ...claims, user: 'mallory' })}.${signature}`], reason: 'signature' },
    { id: 'header-tampered', why: 'another header under a good signature', values: [`${encodeJson({ ...header, future: 1 })}.${payload}.${signature}`], reason: 'signature' },
  ]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const vectors = await makeVectors(Date.UTC(2025, 0, 1) / 1000)
  writeFileSync(new URL('vectors.json', import.meta.url), `${JSON.stringify(vectors, undefined, 1)}\n`)
}
