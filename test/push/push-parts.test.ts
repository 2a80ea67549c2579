import { constants, createHash, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { parseDomainName } from '../../src/push/kit/domain-name.ts'
import { bodySign, bodySignHeader } from '../../src/push/signature/body-sign.ts'
import { openClientSecret, sealClientSecret } from '../../src/push/signature/client-secret.ts'
import { readFixture } from '../support/fixture.ts'
import { buildPushGateway, rsaPrivateKey, rsaPublicKey } from '../support/push-gateway.ts'

const strict = { tenantDomains: [], dangerouslyAllowHttp: false }

t.test('a domainName comes with or without a scheme and becomes one address', async (t) => {
  const cases = {
    'example.tenantaccount.com': 'https://example.tenantaccount.com',
    'https://example.tenantaccount.com': 'https://example.tenantaccount.com',
    'HTTPS://Example.TenantAccount.COM///': 'https://example.tenantaccount.com',
    'https://example.tenantaccount.com:443/': 'https://example.tenantaccount.com',
    'example.tenantaccount.com/tenant/Acme/': 'https://example.tenantaccount.com/tenant/Acme',
    'https://a.example.com/.well-known/x~y_z': 'https://a.example.com/.well-known/x~y_z',
    'xn--fiqs8s.xn--fiqs8s': 'https://xn--fiqs8s.xn--fiqs8s',
  }
  for (const [domainName, expected] of Object.entries(cases)) {
    t.equal(parseDomainName(domainName, strict), expected, domainName)
    t.ok(new URL(expected).href.replace(/\/$/, '') === expected, 'a URL parser reads the same')
  }
})

// Characters that look like letters or dots to some parser stand as escapes.
const neverAllowed = [
  '', ' ', 'https://', 'https:///x', '//example.com', 'https:example.com', 'ftp://example.com', 'javascript:alert(1)', 'file:///etc/passwd', 'https://https://example.com',
  'https://user@example.com', 'https://user:pass@example.com', 'https://example.com@evil.com', 'https://example.com%40evil.com', 'https://example.com\\@evil.com',
  'https://example.com?x=1', 'https://example.com/?x', 'https://example.com#x', 'https://example.com/#/login', 'https://example.com/a b', 'https://example.com/%2e%2e/',
  'https://example.com/../x', 'https://example.com/./x', 'https://example.com/a/..', 'https://example.com//evil.com', 'https://example.com\\evil', 'https:\\\\example.com',
  ' https://example.com', 'https://example.com ', 'https://example.com\n', 'https://exa\tmple.com', 'https://example.com\r\nHost: evil', 'https://example.com\u0000.evil.com',
  'https://example.com.', 'https://.example.com', 'https://example..com', 'https://-example.com', 'https://example-.com', 'https://exa_mple.com', 'https://xn--example.com', 'xn--.com', '1.2.3.4.5', 'example.1', 'https://*.example.com',
  'https://[::1]', 'https://[fe80::1]', 'https://[::ffff:127.0.0.1]', 'https://example.com:', 'https://example.com:x', 'https://example.com:99999', 'https://example.com:-1',
  'https://ex\u0430mple.com', 'https://例子.中国', 'https://example\u3002com', 'https://example\uff0ecom', 'https://\u24d4xample.com', 'https://example.com\u200b', 'https://\u212aexample.com',
  `https://${'a'.repeat(64)}.com`, `https://${'a.'.repeat(127)}com`,
]

const onlyDangerously = [
  'http://example.tenantaccount.com', 'http://127.0.0.1:8082', 'https://127.0.0.1', '127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001',
  '10.0.0.1', '169.254.169.254', '192.168.0.1', '0.0.0.0', '100.100.100.200', 'https://8.8.8.8', 'localhost', 'https://localhost:443', 'a.localhost', 'localhost.localdomain',
  'gateway', 'metadata.google.internal', 'printer.local', 'host.lan', 'x.home.arpa', 'x.corp', 'x.intranet', 'x.private', '1.0.0.127.in-addr.arpa', 'x.onion', 'x.test',
  'https://example.com:8443', 'https://example.com:80', 'https://example.com:22', 'https://example.com:0443', 'https://example.com:0', 'example.c0m',
]

t.test('T-44: a domainName names a public https host and nothing else', async (t) => {
  for (const [index, domainName] of neverAllowed.entries()) {
    t.equal(parseDomainName(domainName, strict), undefined, `case ${index}`)
    t.equal(parseDomainName(domainName, { ...strict, dangerouslyAllowHttp: true }), undefined, `case ${index}, with http allowed`)
  }
  for (const domainName of onlyDangerously) {
    t.equal(parseDomainName(domainName, strict), undefined, domainName)
    t.type(parseDomainName(domainName, { ...strict, dangerouslyAllowHttp: true }), 'string', domainName)
  }
  t.equal(parseDomainName('http://127.0.0.1:8082/', { ...strict, dangerouslyAllowHttp: true }), 'http://127.0.0.1:8082')
})

t.test('T-10: with domains configured the host is one of them or under one, by whole labels', async (t) => {
  const rules = { ...strict, tenantDomains: ['example.com', '.TenantAccount.com'] }
  for (const good of ['example.com', 'a.example.com', 'a.b.EXAMPLE.com', 'tenantaccount.com', 'https://x.tenantaccount.com/y']) t.type(parseDomainName(good, rules), 'string', good)
  const bad = [
    'evil-example.com', 'evilexample.com', 'example.com.evil.com', 'example.com@evil.com', 'https://evil.com/example.com', 'evil.com/.example.com', 'evil.com?.example.com',
    'evil.com#.example.com', 'a.example.com.', 'example.com:8443', 'ex\u0430mple.com', 'com', 'example', 'xexample.com', 'example.com-evil.com', 'evil.com\\.example.com', 'huawei.com',
  ]
  for (const domainName of bad) t.equal(parseDomainName(domainName, rules), undefined, domainName)
  t.equal(parseDomainName('http://127.0.0.1', { ...rules, dangerouslyAllowHttp: true }), undefined, 'also with http allowed')
})

t.test('T-44: whatever is accepted, a URL parser finds the same host, scheme and path in it', async () => {
  const part = fc.constantFrom('https://', 'http://', 'a', 'example.com', '.', '/', '//', '@', ':', '443', '?', '#', '\\', '%2e', '..', '[', ']', ' ', '\t', '例', '-', '_', 'A', '127.0.0.1', '0x7f', 'xn--')
  fc.assert(fc.property(fc.array(part, { maxLength: 7 }), (parts) => {
    const address = parseDomainName(parts.join(''), strict)
    if (address === undefined) return true
    const url = new URL(address)
    return url.protocol === 'https:' && url.port === '' && url.username === '' && url.search === '' && url.hash === '' &&
      url.origin + url.pathname.replace(/\/$/, '') === address && parts.join('').toLowerCase().includes(url.hostname)
  }), { numRuns: 5000 })
})

t.test('a pushed domainName that is refused is named, and debugging takes any', async (t) => {
  const { push, directory } = await buildPushGateway(t, { tenantDomains: ['tenantaccount.com'] })
  const body = { instanceId: 'i', tenantId: 't', orderId: 'o', tenantCode: 'c', name: 'n', flag: 1, testFlag: 0, timeStamp: '20250101080000000' }
  for (const flag of [1, 2]) {
    for (const domainName of ['http://x.tenantaccount.com', 'https://10.0.0.1', 'x.nottenantaccount.com', '']) {
      t.match(await push('tenantSync', { ...body, flag, domainName }), { resultCode: '000002', resultMsg: 'illegal parameter: domainName.' })
    }
  }
  t.match(await push('tenantSync', { ...body, testFlag: 1, domainName: 'any http://localhost value' }), { resultCode: '000000' })
  t.match(directory.committed, [{ realm: 'test', authorizationServer: 'any http://localhost value' }])
})

t.test('Body-Sign is what was recorded, over every byte of the body', async (t) => {
  t.equal(bodySignHeader, 'Body-Sign')
  for (const { accessKey, body, header } of readFixture('response-body-sign').cases) {
    t.equal(bodySign(accessKey, body), header)
    t.equal(bodySign(accessKey, Buffer.from(body)), header)
  }
})

const { ciphertextBase64, plaintext } = readFixture('application-secret-rsa-oaep') as { ciphertextBase64: Record<string, string>, plaintext: string }

t.test('a client secret opens under each of the three paddings, with any of our keys', async (t) => {
  const { privateKey: other } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { privateKey: sameSize } = generateKeyPairSync('rsa', { modulusLength: 3072 })
  for (const [padding, sealed] of Object.entries(ciphertextBase64)) {
    const opened = openClientSecret(sealed, [other, sameSize, rsaPrivateKey])
    t.equal(opened?.padding, padding)
    t.equal(opened?.secret.reveal(), plaintext)
    t.equal(openClientSecret(sealed, [other, sameSize]), undefined)
    t.equal(openClientSecret(sealed, []), undefined)
  }
})

t.test('what the simulator seals opens, of any length that fits', async (t) => {
  for (const secret of ['x', '密钥', 'a'.repeat(318), '\u0001\u0000\u0001']) {
    t.equal(openClientSecret(sealClientSecret(new Secret(secret), rsaPublicKey), [rsaPrivateKey])?.secret.reveal(), secret)
  }
})

t.test('every failure to open a secret looks the same', async (t) => {
  const good = ciphertextBase64['OAEP-SHA256-MGF1-SHA256'] ?? ''
  const raw = Buffer.from(good, 'base64')
  const pkcs1 = publicEncrypt({ key: rsaPublicKey, padding: constants.RSA_PKCS1_PADDING }, Buffer.from(plaintext)).toString('base64')
  const sha512 = publicEncrypt({ key: rsaPublicKey, oaepHash: 'sha512' }, Buffer.from(plaintext)).toString('base64')
  const labelled = publicEncrypt({ key: rsaPublicKey, oaepHash: 'sha256', oaepLabel: Buffer.from('x') }, Buffer.from(plaintext)).toString('base64')
  const notText = publicEncrypt({ key: rsaPublicKey, oaepHash: 'sha256' }, Buffer.from([0xff, 0xfe])).toString('base64')
  const empty = publicEncrypt({ key: rsaPublicKey, oaepHash: 'sha256' }, Buffer.alloc(0)).toString('base64')
  const cases = [
    '', '=', 'plain', ` ${good}`, `${good}\n`, good.slice(0, -4), `${good}AAAA`, good.replace(/\//g, '_').replace(/\+/g, '-'), pkcs1, sha512, labelled, notText, empty,
    Buffer.alloc(384).toString('base64'), Buffer.alloc(384, 0xff).toString('base64'),
    Buffer.from(raw.map((byte, at) => (at === 200 ? byte ^ 1 : byte))).toString('base64'),
  ]
  for (const [index, sealed] of cases.entries()) t.equal(openClientSecret(sealed, [rsaPrivateKey]), undefined, `case ${index}`)
})

t.test('a padding that is wrong in one place only is refused', async (t) => {
  const mask = (seed: Buffer, length: number): Buffer => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, counter) => createHash('sha256').update(seed).update(Buffer.from([0, 0, 0, counter])).digest())
    return Buffer.concat(blocks).subarray(0, length)
  }
  const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, at) => byte ^ (b[at] ?? 0)))
  const seal = (first: number, change: (data: Buffer) => void): string => {
    const data = Buffer.concat([createHash('sha256').digest(), Buffer.alloc(384 - 65 - 33 - 6 + 32), Buffer.of(1), Buffer.from('secret')]).subarray(-351)
    createHash('sha256').digest().copy(data)
    change(data)
    const seed = Buffer.alloc(32, 7)
    const maskedData = xor(data, mask(seed, data.length))
    const block = Buffer.concat([Buffer.of(first), xor(seed, mask(maskedData, 32)), maskedData])
    return publicEncrypt({ key: rsaPublicKey, padding: constants.RSA_NO_PADDING }, block).toString('base64')
  }
  const open = (sealed: string): string | undefined => openClientSecret(sealed, [rsaPrivateKey])?.secret.reveal()
  t.equal(open(seal(0, () => undefined)), 'secret', 'the right one opens')
  t.equal(open(seal(1, () => undefined)), undefined, 'first byte')
  for (let at = 0; at < 32; at++) t.equal(open(seal(0, (data) => { data[at]! ^= 0x80 })), undefined, `label hash, byte ${at}`)
  t.equal(open(seal(0, (data) => { data[100] = 2 })), undefined, 'neither zero nor one before the separator')
  t.equal(open(seal(0, (data) => { data[100] = 0x81 })), undefined, 'a one with a high bit')
  t.equal(open(seal(0, (data) => { data.fill(0, 32) })), undefined, 'no separator')
})

t.test('a private key that is no key stops the start', async (t) => {
  await t.rejects(buildPushGateway(t, { privateKeys: [new Secret('nonsense')] }))
})
