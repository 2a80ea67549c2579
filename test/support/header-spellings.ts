import { identityHeaders } from '../../src/base/header-names.ts'

const forwardedNames = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-request-id']
export const emittedNames = [...Object.values(identityHeaders), ...forwardedNames]
/** Names that we don't emit and that upstreams take for the gateway's word all the same (C-38). */
export const droppedNames = [
  'x-identity-jwt', 'x-identity-anything', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-uri', 'x-forwarded-method',
  'x-forwarded-user', 'x-forwarded-anything', 'forwarded', 'x-real-ip', 'x-original-url', 'x-original-uri', 'x-rewrite-url',
]

export const capitalised = (name: string): string => name.replace(/(^|-)[a-z]/g, (letter) => letter.toUpperCase())

/** Spellings of a name that some upstream takes for the name itself (T-06). */
export function spellingsOf (name: string): string[] {
  return [...new Set([
    name, name.toUpperCase(), capitalised(name), name.replaceAll('-', '_'), capitalised(name).replaceAll('-', '_'),
    name.replace('-', '_'), name.replaceAll('-', '.'), name.replace(/-(?=[^-]*$)/, '_'), name.toUpperCase().replaceAll('-', '_'),
    name.replaceAll('-', '~'), name.replaceAll('-', '!'),
  ])]
}
