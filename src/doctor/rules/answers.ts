import { bodySign, bodySignHeader } from '../../push/signature/body-sign.ts'
import { detailsOf, encodingOf, isRedirect, readReply, type Exchange } from '../exchange-reading.ts'
import { headerOf, type RawAnswer } from '../line.ts'
import { failure, sound, warning, type Observation } from '../observation.ts'
import type { Rule } from '../rule.ts'
import type { DoctorLimits } from '../visit.ts'

/** What was wrong, `undefined` if nothing; `skip` if another rule has to say it. */
type Judge = (answer: RawAnswer, exchange: Exchange) => string | undefined | typeof skip

const skip = Symbol('for another rule')
const proxyAdvice = 'Look at what stands between the marketplace and the gateway (proxy, WAF, CDN): the gateway itself does not answer so.'

/** What holds for every answer of the whole examination (sync.md §0.4, §3.6, §4.13). */
export const answerRules: readonly Rule[] = [
  {
    ...head('answers.arrive', 'Every call gets an answer.', '"The address is not reachable", or "timeout 20 s": the console waits no longer.', proxyAdvice),
    async examine ({ exchanges }) {
      const counted = exchanges.filter(({ reply }) => reply.kind === 'answer' || reply.code !== 'no-time-left')
      return counted.map((exchange) => {
        return exchange.reply.kind === 'answer' ? sound(nameOf(exchange)) : failure(nameOf(exchange), `no answer: ${exchange.reply.code}`, detailsOf(exchange))
      })
    },
  },
  onEach('answers.redirect', 'No call is redirected.', 'Only status 200 is a success, and nobody says that redirects are followed.',
    'Enter the address to which the redirect leads, or have the proxy pass on in place of redirecting.',
    (answer) => (isRedirect(answer) ? `HTTP ${answer.status} to ${headerOf(answer, isNamed('location')) ?? 'nowhere'}` : undefined)),
  onEach('answers.status', 'Every answer has HTTP status 200, also a refusal.', '"httpCode=…": any other status is a failure, whatever the body says.',
    'Check the production address (`jointgate check` prints it) and what stands in front of the gateway; of a 5xx the gateway\'s log knows more.',
    (answer) => (isRedirect(answer) ? skip : answer.status === 200 ? undefined : `HTTP ${answer.status}`)),
  onEach('answers.http-version', 'Answers are HTTP/1.1.', 'The marketplace\'s client speaks HTTP/1.1, and HTTP/2 would write Body-Sign in lower case.', proxyAdvice,
    ({ httpVersion }) => (httpVersion === '1.1' ? undefined : `HTTP/${httpVersion}`)),
  onEach('answers.compression', 'No answer is compressed.', 'Body-Sign covers the bytes as sent; nobody says that the marketplace unpacks before it verifies.',
    'Switch compression off for the production address and what lies below it.',
    (answer) => (isDelivered(answer) ? describeEncoding(answer) : skip)),
  onEach('answers.content-type', 'Content-Type is exactly application/json.', '"content-type wrong" in the console.', proxyAdvice, (answer) => {
    if (!isReadable(answer)) return skip
    const type = headerOf(answer, isNamed('content-type'))
    return type === 'application/json' ? undefined : `Content-Type: ${type ?? '(none)'}`
  }),
  onEach('answers.members', 'The body is a JSON object with resultCode (six digits) and resultMsg (1 to 255 characters).',
    '"Cannot parse the response body": both must be there, although the tables call resultMsg optional.', proxyAdvice, (answer, { reply }) => {
      if (!isReadable(answer)) return skip
      const reading = readReply(reply)
      if (reading.kind === 'undecided') return 'no JSON object with resultCode and resultMsg'
      const { resultCode, resultMsg } = reading.result
      return /^\d{6}$/.test(resultCode) && resultMsg.length >= 1 && resultMsg.length <= 255 ? undefined : 'resultCode or resultMsg of a wrong length'
    }),
  onEach('answers.body-sign-name', 'Every answer has a header named Body-Sign, in this case.', 'The name is compared by case: Body-sign or body-sign counts as missing.',
    'Keep HTTP/1.1 up to the gateway and let the proxy pass header names on as they are; some write them in lower case.', (answer) => {
      if (!isReadable(answer)) return skip
      if (headerOf(answer, (name) => name === bodySignHeader) !== undefined) return undefined
      const index = answer.rawHeaders.findIndex((name, at) => at % 2 === 0 && isBodySign(name))
      return index === -1 ? 'there is none' : `the header is named ${answer.rawHeaders[index]}`
    }),
  onEach('answers.body-sign-form', 'Body-Sign has the form sign_type="HMAC-SHA256", signature="…", with its quotes.',
    '"sign_type is not equals HMAC-SHA256 or signature is empty" in the console.', proxyAdvice, (answer) => {
      const value = isReadable(answer) ? headerOf(answer, isBodySign) : undefined
      if (value === undefined) return skip
      return /^sign_type="HMAC-SHA256", signature="[A-Za-z0-9+/]{43}="$/.test(value) ? undefined : `Body-Sign: ${value}`
    }),
  onEach('answers.body-sign-value', 'The signature in Body-Sign fits the bytes of the body and the key of the interface.',
    'A wrong signature is a failed call: a byte was changed on the way, or another key is in use.',
    'See whether something re-writes bodies (a blank, a line end, the order of members), and compare the running gateway\'s keys with this configuration.',
    (answer, { answerKeys }) => {
      const value = isReadable(answer) ? headerOf(answer, isBodySign) : undefined
      if (value === undefined) return skip
      const signature = signatureIn(value)
      return answerKeys.some((key) => signatureIn(bodySign(key.reveal(), answer.body)) === signature) ? undefined : 'the signature does not fit the body'
    }),
  {
    ...head('answers.time', 'An answer takes less than a second, and never more than five.',
      'The requirements say 5 seconds, the console gives up after 20; slow answers are the first sign of failing ones.',
      'Look at the disk under the data folder (each push is written before it is answered), at the provisioning hook, and at the way from here to there.'),
    async examine ({ exchanges, options: { limits } }) {
      return exchanges.filter(({ isLarge, reply }) => !isLarge && reply.kind === 'answer').map((exchange) => judgeTime(exchange, limits))
    },
  },
]

function head (id: string, checks: string, why: string, advice: string): Omit<Rule, 'examine'> {
  return { id, group: 'answers', checks, why, advice, needs: 'gateway' }
}

function onEach (id: string, checks: string, why: string, advice: string, judge: Judge): Rule {
  return {
    ...head(id, checks, why, advice),
    async examine ({ exchanges }) {
      return exchanges.flatMap((exchange): Observation[] => {
        const verdict = exchange.reply.kind === 'none' ? skip : judge(exchange.reply.answer, exchange)
        if (verdict === skip) return []
        return [verdict === undefined ? sound(nameOf(exchange)) : failure(nameOf(exchange), verdict, detailsOf(exchange))]
      })
    },
  }
}

function judgeTime (exchange: Exchange, { slow, tooSlow }: DoctorLimits): Observation {
  const { milliseconds } = exchange.reply
  if (milliseconds <= slow) return sound(nameOf(exchange))
  const say = milliseconds > tooSlow ? failure : warning
  return say(nameOf(exchange), `answered after ${milliseconds} ms`, detailsOf(exchange))
}

const nameOf = ({ subject, how }: Exchange): string => (how === '' ? subject : `${subject}, ${how}`)

const isNamed = (name: string) => (other: string): boolean => other.toLowerCase() === name
const isBodySign = isNamed(bodySignHeader.toLowerCase())

const isDelivered = ({ status }: RawAnswer): boolean => status === 200

/** What is no success or is packed isn't looked into: one fault is told once. */
const isReadable = (answer: RawAnswer): boolean => isDelivered(answer) && encodingOf(answer) === undefined

function describeEncoding (answer: RawAnswer): string | undefined {
  const encoding = encodingOf(answer)
  return encoding === undefined ? undefined : `Content-Encoding: ${encoding}`
}

/** Wherever it stands, so that a missing quote is one fault and not two. */
const signatureIn = (value: string): string | undefined => /signature="?([^",\s]+)/.exec(value)?.[1]
