import { isIP } from 'node:net'

/**
 * Whether a host is this machine by its name alone, nobody being asked: no DNS name but `localhost` can be believed, not even
 * `127.example.com`.
 *
 * @param host as a URL has it (`[::1]`) or as a socket is given it (`::1`), without a port
 */
export function isLoopbackHost (host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return name === 'localhost' || name === '::1' || (isIP(name) === 4 && name.startsWith('127.'))
}
