import type { Secret } from '../../../base/secret.ts'

export interface RedisNode { readonly host: string, readonly port: number }

/** What the storage URL says. */
export interface RedisAddress {
  readonly topology: 'single' | 'sentinel' | 'cluster'
  /** One server; or the sentinels; or some nodes of the cluster, which name the others. */
  readonly nodes: readonly RedisNode[]
  /** What the sentinels call the master; `undefined` elsewhere. */
  readonly masterName: string | undefined
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: Secret | undefined
  /** Always 0 in a cluster, which has no others. */
  readonly database: number
  /** The begin of every key and of the channel's name. */
  readonly prefix: string
}

export interface RedisSettings extends RedisAddress {
  /** PEM texts of the authorities that certificates are verified against; `undefined` for those of Node. */
  readonly authorities: string | undefined
  readonly sentinelPassword: Secret | undefined
  /** How many replicas must have a write before it counts. */
  readonly replicas: number
}
