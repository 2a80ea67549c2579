import type { IncomingHttpHeaders } from 'node:http'

/**
 * Whether a person looks at the answer, or a script reads it. Browsers say so by `Sec-Fetch-Mode` (Fetch Metadata); older ones and
 * other clients by what they accept. A script gets a problem body, never a redirect to another origin (C-49).
 */
export function isNavigation (headers: IncomingHttpHeaders): boolean {
  const mode = headers['sec-fetch-mode']
  if (mode !== undefined) return mode === 'navigate'
  if (headers['x-requested-with'] !== undefined) return false
  return headers.accept?.includes('text/html') ?? false
}

/**
 * Whether a state-changing request was made by a page of our own origin (C-51). `Sec-Fetch-Site` can't be set by a page; browsers
 * from before it send `Origin`. With neither there is no proof, and no is the answer.
 */
export function isSameOrigin (headers: IncomingHttpHeaders, publicUrl: URL): boolean {
  const site = headers['sec-fetch-site']
  return site !== undefined ? site === 'same-origin' : headers.origin === publicUrl.origin
}

/**
 * Whether the browser only loads ahead what a person may open next. What may be done once must not be done for a guess; whoever then
 * really opens the page gets it, since no browser keeps a refused guess.
 */
export function isPrefetch (headers: IncomingHttpHeaders): boolean {
  const purpose = [headers['sec-purpose'], headers['purpose'], headers['x-moz'], headers['x-purpose']].join(' ').toLowerCase()
  return /\b(?:prefetch|prerender|preview)\b/.test(purpose)
}

/** Whether another site sent the browser here: then what happens was not the person's own doing. */
export function isCrossSite (headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site']
  return site === 'cross-site' || site === 'same-site'
}

/**
 * Whether the browser loads a whole page. Pictures, frames and other sites' scripts are none; a page load that went through a
 * service worker of ours looks like a script of our own. Browsers that don't say count as loading one.
 */
export function isPageLoad (headers: IncomingHttpHeaders): boolean {
  const destination = headers['sec-fetch-dest']
  return destination === undefined || destination === 'document' || (destination === 'empty' && !isCrossSite(headers))
}
