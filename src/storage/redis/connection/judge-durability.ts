import type { RedisSettings } from './redis-settings.ts'

/** What a server says of itself; `undefined` where it can't be read. */
export interface ServerFacts {
  /** `host:port`, to name it. */
  readonly name: string
  readonly version: string | undefined
  readonly role: string | undefined
  readonly appendOnly: boolean | undefined
  readonly appendFsync: string | undefined
  /** Whether the last write to the append-only file succeeded. */
  readonly lastAppendSucceeded: boolean | undefined
  /** Bytes; 0 for no limit. */
  readonly maxMemory: number | undefined
  readonly maxMemoryPolicy: string | undefined
  readonly connectedReplicas: number | undefined
  readonly minReplicasToWrite: number | undefined
}

/** Stable words: logs, documentation and tests speak of them. */
export type DurabilityWord =
  | 'server-too-old' | 'not-a-master' | 'no-append-only-file' | 'append-only-file-fails' | 'append-only-file-not-synced' | 'may-evict'
  | 'no-replica-waited-for' | 'replica-missing' | 'isolated-master-may-write'

export interface DurabilityFinding {
  readonly word: DurabilityWord
  /** Whether an acknowledged write could be lost; else it is for the operator to know. */
  readonly isUnsafe: boolean
  readonly text: string
}

export interface DurabilityJudgement {
  readonly findings: readonly DurabilityFinding[]
  /** Whether each commit must ask the server to sync it (WAITAOF): true where a server can and doesn't sync by itself. */
  readonly waitForDisk: boolean
}

type Asked = Pick<RedisSettings, 'topology' | 'replicas'>

/**
 * Judges whether an acknowledged write could be lost. What can't be read counts as not safe.
 *
 * @param servers every master
 */
export function judgeDurability (servers: readonly ServerFacts[], asked: Asked): DurabilityJudgement {
  const findings = servers.flatMap((server) => judgeServer(server, asked))
  if (asked.topology !== 'single' && asked.replicas === 0) {
    findings.push(unsafe('no-replica-waited-for', 'JOINTGATE_STORAGE_REPLICAS is 0: a failover may choose a replica that lacks acknowledged writes'))
  }
  // Asked of all or none. A server that syncs each write answers at once; one that can't wait is a finding already.
  const waitForDisk = servers.length > 0 && servers.every(canWaitForDisk) && servers.some((server) => server.appendFsync !== 'always')
  return { findings, waitForDisk }
}

function judgeServer (server: ServerFacts, { topology, replicas }: Asked): DurabilityFinding[] {
  const { name, version, role, appendOnly, appendFsync, lastAppendSucceeded, connectedReplicas, minReplicasToWrite } = server
  const findings: DurabilityFinding[] = []
  const find = (isFound: boolean, finding: DurabilityFinding): void => { if (isFound) findings.push(finding) }
  find(!isVersion(version, 6, 2), unsafe('server-too-old', `${name} is Redis ${version ?? 'of an unknown version'}; 6.2 is the least`))
  find(role !== 'master', unsafe('not-a-master', `${name} is ${role ?? 'in an unknown role'}, not a master: it may not write`))
  find(appendOnly !== true, unsafe('no-append-only-file', `${name} ${appendOnly === false ? 'has' : 'may have'} appendonly off: a restart loses writes`))
  find(lastAppendSucceeded === false, unsafe('append-only-file-fails', `${name} failed to write its append-only file`))
  find(appendFsync !== 'always' && !canWaitForDisk(server), unsafe('append-only-file-not-synced',
    `${name} has appendfsync ${appendFsync ?? 'unknown'}: a power cut loses acknowledged writes; needed is "always", or Redis 7.2 with WAITAOF`))
  find(mayEvict(server), unsafe('may-evict',
    `${name} has maxmemory-policy ${server.maxMemoryPolicy ?? 'unknown'}: it may drop keys when memory is short; needed is noeviction`))
  find((connectedReplicas ?? 0) < replicas, warning('replica-missing',
    `${name} has ${connectedReplicas ?? 'an unknown number of'} replicas and ${replicas} must have each write: pushes and logins fail until they are there`))
  // An isolated cluster node stops by itself (cluster-node-timeout). Nothing acknowledged is lost either way, since the wait fails.
  find(topology === 'sentinel' && (minReplicasToWrite ?? 0) === 0, warning('isolated-master-may-write',
    `${name} has min-replicas-to-write 0: cut off from the others it goes on answering with what it had; 1 is advised`))
  return findings
}

/** WAITAOF came with 7.2, and does nothing without an append-only file. */
function canWaitForDisk ({ version, appendOnly }: ServerFacts): boolean {
  return appendOnly === true && isVersion(version, 7, 2)
}

function mayEvict ({ maxMemory, maxMemoryPolicy }: ServerFacts): boolean {
  return maxMemoryPolicy !== 'noeviction' && maxMemory !== 0
}

function isVersion (version: string | undefined, major: number, minor: number): boolean {
  const [found = 0, foundMinor = 0] = (version ?? '').split('.').map(Number)
  return found > major || (found === major && foundMinor >= minor)
}

const unsafe = (word: DurabilityWord, text: string): DurabilityFinding => ({ word, isUnsafe: true, text })
const warning = (word: DurabilityWord, text: string): DurabilityFinding => ({ word, isUnsafe: false, text })
