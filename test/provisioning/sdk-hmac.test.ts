import fc from 'fast-check'
import t from 'tap'
import { Secret } from '../../src/base/secret.ts'
import { signSdkRequest, type SdkRequest } from '../../src/provisioning/sdk-hmac-sha256.ts'

// The worked example of Huawei Cloud's "API Request Signing Guide" (printed keys of the documentation, of no account).
const credentials = { accessKeyId: 'QTWAOYTTINDUT2QVKYUC', secretAccessKey: new Secret('MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc') }
const now = Date.UTC(2019, 10, 15, 3, 36, 55, 999)
const path = 'https://service.region.example.com/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs'
const query = 'limit=2&marker=13551d6b-755d-4757-b956-536f674975c0'

function sign (url: string, change: Partial<SdkRequest> = {}): string {
  const request = { method: 'GET' as const, url: new URL(url), headers: { 'content-type': 'application/json' }, body: '', ...change }
  return signSdkRequest(request, credentials, now).authorization
}

t.test('the worked example of the signing guide gives the printed header', async (t) => {
  const headers = signSdkRequest({ method: 'GET', url: new URL(`${path}?${query}`), headers: { 'Content-Type': ' application/json ' }, body: '' }, credentials, now)
  t.same(headers, {
    host: 'service.region.example.com',
    'x-sdk-date': '20191115T033655Z',
    authorization: 'SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=content-type;host;x-sdk-date, ' +
      'Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe',
  })
})

t.test('without headers of its own a call signs its host and its date', async (t) => {
  t.match(sign(path, { headers: {} }), /^SDK-HMAC-SHA256 Access=QTWAOYTTINDUT2QVKYUC, SignedHeaders=host;x-sdk-date, Signature=[0-9a-f]{64}$/)
})

t.test('the order of the query, a slash at the end and the spelling of %xx do not change the signature, all else does', async (t) => {
  const signature = sign(`${path}?${query}`)
  for (const same of [`${path}/?${query}`, `${path}?${query.split('&').reverse().join('&')}`, `${path}?%6cimit=2&marker=13551d6b%2d755d-4757-b956-536f674975c0`, `${path}?${query}#x`]) {
    t.equal(sign(same), signature, same)
  }
  for (const other of [`${path}?${query}&a=`, `${path}?limit=2`, `${path}x?${query}`, `${path}//?${query}`, `${path}?${query}`.replace('example', 'e\u0445ample'), `${path.replace('.com', '.com:8443')}?${query}`]) {
    t.not(sign(other), signature, other)
  }
  t.not(sign(`${path}?${query}`, { method: 'POST' }), signature)
  t.not(sign(`${path}?${query}`, { body: ' ' }), signature)
  t.equal(sign(`${path}?a=%20!&b='()*&a=%20%21`), sign(`${path}?a=+%21&a=+!&b=%27%28%29%2A`), 'repeated names go by their values, a plus is a blank')
})

t.test('any path and query can be signed, and say the same however they are spelled', async () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }), fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' })), { maxLength: 3 }), (segments, parameters) => {
    const spelled = (encode: (text: string) => string): string => {
      return `https://example.com/x/${segments.map((segment) => `y${encode(segment)}`).join('/')}?${parameters.map((pair) => pair.map(encode).join('=')).join('&')}`
    }
    const everyByte = (text: string): string => Buffer.from(text).toString('hex').replace(/../g, '%$&')
    return sign(spelled(encodeURIComponent)) === sign(spelled(everyByte))
  }), { numRuns: 500 })
})
