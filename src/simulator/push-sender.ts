import { Agent } from 'undici'
import { readAnswer, type CallAnswer } from './call-answer.ts'
import { sendCall, type SignedCall } from './marketplace-call.ts'
import type { PushAnswer } from './marketplace-state.ts'
import { currentKey, signMessage, writeMessage, type MessageParts } from './message.ts'
import type { Message, Push } from './push.ts'
import { waitFor, type Scheduler } from './scheduler.ts'

const rememberedPushes = 100
const longestAnswerBytes = 1 << 20

export interface PushSender {
  /**
   * Sends a signed call, with whatever the fault switches do to it, and remembers the answer. Never rejects: a failed call is an
   * answer with `httpStatus` 0.
   */
  send (push: Push): Promise<PushAnswer>
  /** Sends a remembered call again as it was, old signature included; `undefined` if it is not remembered. */
  replay (number: number): Promise<PushAnswer | undefined>
  /** Sends what the shuffling holds, last first. */
  sendHeld (): Promise<void>
  close (): Promise<void>
}

interface SenderParts extends MessageParts {
  readonly scheduler: Scheduler
}

interface OpenSenderParts extends SenderParts {
  readonly agent: Agent
}

export function createPushSender (closedParts: SenderParts): PushSender {
  const parts: OpenSenderParts = { ...closedParts, agent: new Agent({ maxResponseSize: longestAnswerBytes }) }
  const { faults, pushes } = parts.state
  const held: Message[] = []

  async function sendHeld (): Promise<void> {
    for (const message of held.splice(0).reverse()) await dispatch(parts, message, 'shuffled')
  }

  return {
    async send (push) {
      const message = writeMessage(parts, push)
      const mayWait = push.family === 'kit' || !push.isAnswerAwaited
      if (faults.shuffled === 0 || !mayWait) return await dispatch(parts, message, '')
      held.push(message)
      const answer = remember(parts, message, { fault: 'held', call: undefined }, withoutAnswer(`held, number ${held.length}`))
      if (held.length >= faults.shuffled) await sendHeld()
      return answer
    },
    async replay (number) {
      const push = pushes.find((push) => push.number === number)
      return push?.call === undefined ? undefined : await repeat(parts, push, push.call)
    },
    sendHeld,
    close: () => parts.agent.destroy(),
  }
}

type Fate = Pick<PushAnswer, 'fault' | 'call'>

async function dispatch (parts: OpenSenderParts, message: Message, before: PushAnswer['fault']): Promise<PushAnswer> {
  const { state: { faults }, scheduler } = parts
  const call = signMessage(parts, message)
  if (faults.slow > 0) await waitFor(scheduler, faults.slow)
  const fault = faults.slow > 0 ? 'slow' : before
  if (faults.lost === 'request') return remember(parts, message, { fault: 'request-lost', call }, withoutAnswer('the call was lost'))

  const [answer, second] = await Promise.all([
    transmit(parts, message, call), faults.doubled === 'on' ? transmit(parts, message, call) : undefined,
  ])
  if (second !== undefined) remember(parts, message, { fault: 'doubled', call }, second)
  if (faults.old > 0) scheduler.after(faults.old, async () => { await repeat(parts, message, call) })
  return faults.lost === 'answer'
    ? remember(parts, message, { fault: 'answer-lost', call }, withoutAnswer('the answer was lost'))
    : remember(parts, message, { fault, call }, answer)
}

async function repeat (parts: OpenSenderParts, message: Message, call: SignedCall): Promise<PushAnswer> {
  return remember(parts, message, { fault: 'old', call }, await transmit(parts, message, call))
}

function transmit (parts: OpenSenderParts, { family }: Message, call: SignedCall): Promise<CallAnswer> {
  return sendCall(call, { accessKey: currentKey(parts, family), clock: parts.options.clock, dispatcher: parts.agent })
}

function remember ({ state, options }: OpenSenderParts, message: Message, fate: Fate, answer: CallAnswer): PushAnswer {
  const { family, isTest, occasion, generation, name, flag, body } = message
  const isSuccess = answer.httpStatus === 200 && answer.resultCode === '000000'
  const said = { family, isTest, occasion, generation, name, flag, body }
  const push = { ...said, ...fate, ...answer, number: ++state.pushCount, sentAt: options.clock.now(), isSuccess }
  state.pushes.unshift(push)
  state.pushes.length = Math.min(state.pushes.length, rememberedPushes)
  return push
}

function withoutAnswer (resultMsg: string): CallAnswer {
  return { ...readAnswer({ httpStatus: 0, rawHeaders: [], text: '', durationMilliseconds: 0 }), resultMsg, failureCode: 'not-sent' }
}
