import { sha256 } from '../base/digest.ts'
import { readView } from './read-view.ts'

export interface Asset {
  /** Holds a hash of the content: a changed file has another address, so it may be cached for ever. */
  readonly fileName: string
  readonly contentType: string
  readonly body: string
}

export type Assets = Readonly<Record<'styleSheet' | 'icon', Asset>>

export function loadAssets (): Assets {
  return {
    styleSheet: loadAsset('gateway', 'css', 'text/css; charset=utf-8'),
    icon: loadAsset('mark', 'svg', 'image/svg+xml'),
  }
}

function loadAsset (name: string, extension: string, contentType: string): Asset {
  const body = readView(`assets/${name}.${extension}`)
  return { fileName: `${name}.${sha256(body).slice(0, 16)}.${extension}`, contentType, body }
}
