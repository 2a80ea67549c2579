import type { Clock } from '../base/clock.ts'
import type { SigningKeyStore, StoredSigningKey } from '../base/signing-key-store.ts'
import { createSigningKey } from './create-signing-key.ts'
import { judgeSigningKeys, publishedBeforeUseMs } from './judge-signing-keys.ts'
import { endSpentKeys } from './signing-keys.ts'

export interface Rotation {
  /** Whether this call has made it. Of two at once one does, and both tell of the same key. */
  readonly isNew: boolean
  readonly key: StoredSigningKey
}

/** Makes the key that signs next, if there is none waiting. From the gateways' next look on it is published. */
export async function rotateSigningKeys (store: SigningKeyStore, clock: Clock): Promise<Rotation> {
  for (;;) {
    const now = clock.now()
    const newest = (await store.list()).at(-1)
    if (newest !== undefined && newest.signsFrom > now) return { isNew: false, key: newest }
    // Where no gateway has run yet nothing has to be waited for.
    const signsFrom = newest === undefined ? now : now + publishedBeforeUseMs
    const key = await createSigningKey({ createdAt: now, signsFrom, follows: newest?.kid })
    if (await store.save(key)) return { isNew: true, key }
  }
}

/** After a leak: makes a key that signs at once, and of all others, also one that waits for its turn, none counts any more. */
export async function revokeSigningKeys (store: SigningKeyStore, clock: Clock): Promise<Rotation> {
  const leaked = (await store.list()).at(-1)
  const rotation = await replaceAll(store, clock, leaked)
  await endSpentKeys(store, judgeSigningKeys(await store.list(), clock.now()))
  return rotation
}

async function replaceAll (store: SigningKeyStore, clock: Clock, leaked: StoredSigningKey | undefined): Promise<Rotation> {
  for (;;) {
    const now = clock.now()
    const keys = await store.list()
    // Somebody may have been quicker.
    const after = keys.slice(keys.findIndex(({ kid }) => kid === leaked?.kid) + 1)
    const [revoking] = after.filter(({ revokesEarlier }) => revokesEarlier)
    if (revoking !== undefined) return { isNew: false, key: revoking }
    const key = await createSigningKey({ createdAt: now, signsFrom: now, follows: keys.at(-1)?.kid, revokesEarlier: true })
    if (await store.save(key)) return { isNew: true, key }
  }
}
