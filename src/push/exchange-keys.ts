import type { Clock } from '../base/clock.ts'
import type { KeyUsageStore } from '../base/key-usage-store.ts'
import { fingerprintOf, type PushKeys, type PushKeySource } from './push-keys.ts'

export interface KeyExchange extends PushKeySource {
  /** From the next call on the keys are these. Resolves when their first sight is kept, so that `keys status` can say how old each is. */
  exchange (keys: PushKeys): Promise<void>
}

export async function createKeyExchange (keyUsage: Pick<KeyUsageStore, 'see'>, clock: Clock, first: PushKeys): Promise<KeyExchange> {
  let keys = first
  const exchange = async (next: PushKeys): Promise<void> => {
    keys = next
    await keyUsage.see('kit', next.kitKeys.map(fingerprintOf), clock.now())
    await keyUsage.see('production', next.productionKeys.map(fingerprintOf), clock.now())
  }
  await exchange(first)
  return { current: () => keys, exchange }
}
