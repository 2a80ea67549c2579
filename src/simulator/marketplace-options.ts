import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { SdkCredentials } from '../provisioning/sdk-hmac-sha256.ts'
import type { Generation } from './push.ts'
import type { Scheduler } from './scheduler.ts'

/** An address without a trailing slash. A function when it is known only after something listens. */
export type LateUrl = string | (() => string)

export interface MarketplaceOptions {
  /** The simulator's own base address, as browser and gateway reach it. */
  readonly publicUrl: LateUrl
  /** The production address (生产地址) under which pushes are sent, such as `http://127.0.0.1:8080/_gate/marketplace`. */
  readonly gatewayUrl: LateUrl
  /** The application's login address (应用登录地址), to which the unified login page leads. */
  readonly callbackUrl: LateUrl
  /** Where people find the application; the console links there. */
  readonly applicationUrl: LateUrl
  readonly appId: string
  /** Access keys of the joint SaaS sync interfaces: the one in use, and the one that takes its place when keys are rotated. */
  readonly kitKeys: readonly [Secret, Secret]
  /** The same for the base interfaces: a key of one type can't be one of the other (sync.md §3.0). */
  readonly productionKeys: readonly [Secret, Secret]
  /** With which the order query must be signed. Without them it refuses everybody. */
  readonly orderQueryCredentials?: SdkCredentials
  /** RSA ≥ 3072 bit: `clientSecret` is encrypted to it. */
  readonly applicationPublicKeyPem: string
  readonly clock: Clock
  /** Default the machine's own timers. */
  readonly scheduler?: Scheduler
  /** Default `v2`. */
  readonly generation?: Generation
}

export function resolveUrl (url: LateUrl): string {
  return typeof url === 'string' ? url : url()
}
