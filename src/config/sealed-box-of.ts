import { SealedBox } from '../base/sealed-box.ts'
import type { Config } from './load-config.ts'

export function sealedBoxOf ({ secretKeys }: Pick<Config, 'secretKeys'>): SealedBox {
  return new SealedBox(secretKeys.map((key) => Buffer.from(key.reveal(), 'base64')))
}
