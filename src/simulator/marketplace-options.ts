import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'

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
  /** The access key of the joint SaaS sync interfaces. */
  readonly kitKey: Secret
  /** RSA ≥ 3072 bit: `clientSecret` is encrypted to it. */
  readonly applicationPublicKeyPem: string
  readonly clock: Clock
}

export function resolveUrl (url: LateUrl): string {
  return typeof url === 'string' ? url : url()
}
