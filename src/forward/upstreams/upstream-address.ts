/** Where one server of an application listens. */
export interface UpstreamAddress {
  /** Scheme, host and port; `http://localhost` for a unix socket. */
  readonly origin: string
  /** The path of a unix socket (plain HTTP). */
  readonly socketPath?: string
}

/** As operators write it: `http://127.0.0.1:3000`, `unix:/run/app.sock`. Names a server in logs and is its identity in a group. */
export function nameOfUpstream ({ origin, socketPath }: UpstreamAddress): string {
  return socketPath === undefined ? origin : `unix:${socketPath}`
}
