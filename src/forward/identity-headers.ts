import type { IdentityHeaderNames } from '../base/header-names.ts'
import type { Principal } from '../directory/model.ts'

/**
 * The headers that tell the upstream who is there, as a flat list of names and values. Every value is percent-encoded UTF-8 where it
 * isn't visible ASCII, so `decodeURIComponent` gives the exact text and a plain id stays as it is.
 */
export function identityHeadersOf (names: IdentityHeaderNames, principal: Principal, assertion: string): readonly string[] {
  return [
    names.tenant, encodeHeaderValue(principal.tenantId),
    names.user, encodeHeaderValue(principal.userName),
    names.name, encodeHeaderValue(principal.name.replace(loneSurrogate, '\ufffd')),
    names.role, encodeHeaderValue(principal.role),
    names.department, encodeHeaderValue(principal.departmentCode),
    names.instance, encodeHeaderValue(principal.instanceId),
    names.access, principal.access,
    names.assertion, assertion,
  ]
}

// A name is only shown: half a character in it must lock nobody out.
const loneSurrogate = /\p{Surrogate}/gu

/**
 * Reversible and one to one: `%` itself is encoded, and everything that could end the header or be trimmed from it.
 *
 * @throws URIError for a lone surrogate: there is no text for it, and a replacement could make two accounts one
 */
export function encodeHeaderValue (text: string): string {
  return text.replace(/[^\x21-\x7e]|%/gu, (character) => encodeURIComponent(character))
}
