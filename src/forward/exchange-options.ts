import type { LiveStreams } from './live-streams.ts'
import type { RewriteLocation } from './rewrite-location.ts'
import type { StalledClients } from './stalled-clients.ts'
import type { UpstreamGroup } from './upstreams/upstream-group.ts'

/** What the exchanges of one route have in common. */
export interface ExchangeOptions {
  readonly group: Pick<UpstreamGroup, 'dispatch'>
  /** How long the upstream may take until its response headers are here. */
  readonly timeoutSeconds: number
  /** Told of each request and of each tunnel: they end with their session. */
  readonly streams: LiveStreams
  readonly stalledClients: StalledClients
  /** For what the upstream says of where something is; `undefined`: stays as it is. */
  readonly rewriteLocation: RewriteLocation | undefined
}
