import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { lookup } from 'node:dns/promises'
import type { Clock } from '../base/clock.ts'
import { Secret } from '../base/secret.ts'
import { accessKeysOf, type PushKeys } from '../push/push-keys.ts'
import type { SignatureScheme } from '../push/push-report.ts'
import { sealClientSecret } from '../push/signature/client-secret.ts'
import { keyKindOf } from '../push/verify-call.ts'
import { readReply, type Exchange } from './exchange-reading.ts'
import { openLine, type Line, type RawAnswer, type Reply, type Sent } from './line.ts'
import { signSpecimen, type Variation } from './sign-specimen.ts'
import { doctorIds, labelOf, type Specimen } from './specimens.ts'
import { createTurnstile } from './turnstile.ts'

/** How long things may take; milliseconds. */
export interface DoctorLimits {
  /** An answer that takes longer is worth a warning … */
  readonly slow: number
  /** … and this is where the marketplace's requirements end (sync.md §0.4). */
  readonly tooSlow: number
  /** When the debug console gives up. */
  readonly call: number
  readonly total: number
}

export const usualLimits: DoctorLimits = { slow: 1_000, tooSlow: 5_000, call: 20_000, total: 120_000 }

export interface DoctorOptions extends PushKeys {
  /** The production address, without a slash at the end. */
  readonly baseUrl: string
  /** The login address of the same gateway. */
  readonly callbackUrl: string
  readonly appId: string
  readonly tenantDomains: readonly string[]
  readonly dangerouslyAllowHttp: boolean
  /** Names of tenants' authorization servers that must be taken. */
  readonly domains: readonly string[]
  readonly clock: Clock
  readonly limits: DoctorLimits
  /** PEM texts of authorities that are trusted beside the known ones. */
  readonly authorities: readonly string[]
  readonly lookup: typeof lookup
}

export interface AskOptions extends Variation {
  /** What is special about the call, in words. */
  readonly how?: string
  /** Larger than what is sent every day: it has a limit of its own. */
  readonly isLarge?: boolean
  /** Among which keys the answer's may be; the call's if absent. */
  readonly answerKeys?: readonly Secret[]
}

/** One examination: what is known so far, and the way to ask for more. */
export class Visit {
  readonly options: DoctorOptions
  /** Every call and its answer, in the order in which they ended. */
  readonly exchanges: Exchange[] = []
  readonly startedAt: number
  readonly #line: Line
  readonly #inTurn = createTurnstile(6)
  readonly #closed = new Map<SignatureScheme, string>()
  readonly #closedInterfaces = new Map<string, string>()
  readonly #instanceIds = new Map<SignatureScheme, string>()
  #greeting: RawAnswer | undefined
  #stoppedBy: string | undefined
  #isLate = false

  constructor (options: DoctorOptions) {
    this.options = options
    this.startedAt = options.clock.now()
    this.#line = openLine(options)
  }

  /** The rule for which nothing more can be asked; `undefined` while it can. */
  get stoppedBy (): string | undefined {
    return this.#stoppedBy
  }

  /** Whether something was not asked any more because the time was up. */
  get isLate (): boolean {
    return this.#isLate
  }

  /** The first answer of all. */
  get greeting (): RawAnswer | undefined {
    return this.#greeting
  }

  meet (answer: RawAnswer): void {
    this.#greeting = answer
  }

  /** The instance that newInstance of this way of signing has answered. */
  instanceIdOf (scheme: SignatureScheme): string | undefined {
    return this.#instanceIds.get(scheme)
  }

  stop (ruleId: string): void {
    this.#stoppedBy ??= ruleId
  }

  /** Calls of this kind would all say the same: that this rule is broken. */
  close (scheme: SignatureScheme, ruleId: string): void {
    if (!this.#closed.has(scheme)) this.#closed.set(scheme, ruleId)
  }

  /** The same for one interface, of both generations. */
  closeInterface (name: string, ruleId: string): void {
    this.#closedInterfaces.set(name, ruleId)
  }

  interfaceClosedBy (name: string): string | undefined {
    return this.#closedInterfaces.get(name)
  }

  closedBy (scheme: SignatureScheme): string | undefined {
    return this.#closed.get(scheme)
  }

  keysOf (scheme: SignatureScheme): readonly Secret[] {
    return accessKeysOf(keyKindOf(scheme), this.options)
  }

  /** A secret sealed with the public half of one of our private keys; `undefined` if there is none. */
  sealSecret (index = 0): string | undefined {
    const pem = this.options.privateKeys[index]
    return pem && sealClientSecret(new Secret('doctor-secret'), createPublicKey(createPrivateKey(pem.reveal())))
  }

  /** Sends anything at all. */
  async send (sent: Sent): Promise<Reply> {
    return this.#inTurn(async () => {
      const { clock, limits } = this.options
      const left = this.startedAt + limits.total - clock.now()
      const reply = left <= 0 ? undefined : await this.#line.send(sent, Math.min(limits.call, left))
      if (reply !== undefined && !(reply.kind === 'none' && reply.code === 'too-late' && left < limits.call)) return reply
      // We gave up, not the gateway.
      this.#isLate = true
      return { kind: 'none', code: 'no-time-left', milliseconds: reply?.milliseconds ?? 0 }
    })
  }

  /** Signs and sends a call, and remembers what came back. */
  async ask (specimen: Specimen, { how = '', isLarge = false, answerKeys, ...variation }: AskOptions = {}): Promise<Exchange> {
    const { baseUrl, appId, clock } = this.options
    const accessKey = variation.accessKey ?? this.keysOf(specimen.scheme)[0] ?? new Secret('')
    const instanceId = this.instanceIdOf(specimen.scheme) ?? doctorIds.noInstance
    const sent = signSpecimen(specimen, { baseUrl, appId, clock, instanceId, accessKey, sealedSecret: this.sealSecret() }, variation)
    const exchange = await this.repeat({ subject: labelOf(specimen), how, isLarge, sent, answerKeys: answerKeys ?? [accessKey] })
    if (specimen.name === 'newInstance') this.#learn(specimen.scheme, exchange)
    return exchange
  }

  /** Sends the same bytes again: as the marketplace's retry, or as somebody's replay. */
  async repeat (call: Omit<Exchange, 'reply'>): Promise<Exchange> {
    const exchange = { ...call, reply: await this.send(call.sent) }
    this.exchanges.push(exchange)
    return exchange
  }

  #learn (scheme: SignatureScheme, { reply }: Exchange): void {
    const reading = readReply(reply)
    const instanceId = reading.kind === 'result' && reading.result.resultCode === '000000' ? reading.result.members['instanceId'] : undefined
    if (typeof instanceId === 'string') this.#instanceIds.set(scheme, instanceId)
  }

  end (): void {
    this.#line.close()
  }
}
