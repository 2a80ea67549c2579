import type { ConfigFiles } from '../../config/recorded-sources.ts'
import type { StoreChange } from '../../session/store-changes.ts'

/** What the supervisor says to a worker. */
export type ToWorker =
  /** Every worker of a generation runs what the supervisor has read and judged, also one that is started again a week later. */
  | { readonly kind: 'start', readonly files: ConfigFiles }
  | { readonly kind: 'changed', readonly change: StoreChange }
  /** The gateway goes on with other workers, which run what these files hold: take no new connection, drop no request. */
  | { readonly kind: 'retire', readonly files: ConfigFiles }
  /** The gateway ends. */
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'awake' }
  | { readonly kind: 'ready', readonly publicAddress: string, readonly operatorAddress: string }
  | { readonly kind: 'changed', readonly change: StoreChange }
  /** It takes the marketplace's new keys and no new connection. */
  | { readonly kind: 'retiring' }

/** How long requests under way may take when the gateway ends. */
export const stopMs = 10_000
/** How long a worker that others have replaced waits for the next request of each connection, to tell its client that it is the last. */
export const lingerMs = 10_000
/** How long requests under way may take then: a large download goes on while others are served already. */
export const retireMs = 600_000
