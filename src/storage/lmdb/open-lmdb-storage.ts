import type { SealedBox } from '../../base/sealed-box.ts'
import type { SigningKeyStore } from '../../base/signing-key-store.ts'
import type { DirectoryStore } from '../../directory/directory-store.ts'
import type { LoginFlowStore } from '../../session/login-flow.ts'
import type { SessionStore } from '../../session/session-store.ts'
import { openLmdbDirectoryStore } from './lmdb-directory-store.ts'
import { openLmdbEnvironment, written } from './lmdb-environment.ts'
import { openLmdbLoginFlowStore } from './lmdb-login-flow-store.ts'
import { openLmdbSessionStore } from './lmdb-session-store.ts'
import { openLmdbSigningKeyStore } from './lmdb-signing-key-store.ts'

/** Every port, in one place on one disk. */
export interface Storage {
  readonly directory: DirectoryStore
  readonly sessions: SessionStore
  readonly flows: LoginFlowStore
  readonly signingKeys: SigningKeyStore
  /** Resolves if a write reaches the disk; rejects with `GW_STORAGE_UNAVAILABLE`. For the readiness probe. */
  check (): Promise<void>
  /** Waits for writes under way. */
  close (): Promise<void>
}

/** @throws `GW_STORAGE_UNAVAILABLE` if the folder can't be made or opened */
export function openLmdbStorage (folder: string, box: SealedBox): Storage {
  const environment = openLmdbEnvironment(folder)
  const probe = environment.openDB<number, string>('probe', { encoding: 'msgpack' })
  return {
    directory: openLmdbDirectoryStore(environment, box),
    sessions: openLmdbSessionStore(environment, box),
    flows: openLmdbLoginFlowStore(environment, box),
    signingKeys: openLmdbSigningKeyStore(environment, box),
    check: async () => {
      await written(environment, () => probe.put('written', 1))
    },
    close: () => environment.close(),
  }
}
