import type { SignedCall } from '../simulator/marketplace-call.ts'

const signatureNames = ['signature', 'timestamp', 'nonce', 'authToken', 'x-sign', 'x-timestamp', 'x-nonce']

/** Takes everything away that signs the call. */
export function removeSignature (call: SignedCall): SignedCall {
  const url = new URL(call.url)
  for (const name of signatureNames) url.searchParams.delete(name)
  const headers = Object.fromEntries(Object.entries(call.headers).filter(([name]) => !signatureNames.includes(name)))
  return { ...call, url: url.href, headers }
}

/** Says something more than was signed. */
export function alterContent (call: SignedCall): SignedCall {
  if (call.body !== undefined) return { ...call, body: JSON.stringify({ ...JSON.parse(call.body) as object, doctorSays: 'more' }) }
  return { ...call, url: `${call.url}&doctorSays=more` }
}

/** Moves digits of a V2 call's time into its nonce (to the right), or the nonce's last ones into the time (to the left). */
export function moveBorder (call: SignedCall, digits: number): SignedCall {
  const recut = (nonce: string, time: string): readonly [string, string] => {
    const text = nonce + time
    const border = nonce.length + digits
    return [text.slice(0, border), text.slice(border)]
  }
  const url = new URL(call.url)
  if (url.searchParams.has('nonce')) {
    const [nonce, time] = recut(url.searchParams.get('nonce') ?? '', url.searchParams.get('timestamp') ?? '')
    url.searchParams.set('nonce', nonce)
    url.searchParams.set('timestamp', time)
    return { ...call, url: url.href }
  }
  const [nonce, time] = recut(call.headers['x-nonce'] ?? '', call.headers['x-timestamp'] ?? '')
  return { ...call, headers: { ...call.headers, 'x-nonce': nonce, 'x-timestamp': time } }
}
