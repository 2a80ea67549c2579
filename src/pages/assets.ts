import type { FastifyInstance } from 'fastify'
import { loadAssets } from './load-assets.ts'

/**
 * Serves the style sheet and the icon of our pages. Register it with the gateway's prefix as Fastify's `prefix`.
 *
 * The one kind of answer of ours that caches may keep (T-47 is about what depends on the person; these files are the same for all).
 */
export async function assets (app: FastifyInstance): Promise<void> {
  for (const asset of Object.values(loadAssets())) {
    app.get(`/assets/${asset.fileName}`, async (_request, reply) => reply
      .headers({
        'content-type': asset.contentType,
        'cache-control': 'public, max-age=31536000, immutable',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
        // An SVG opened by itself is a document; this one may do nothing.
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      })
      .send(asset.body))
  }
}
