import type { ConfigFiles } from '../../config/recorded-sources.ts'
import { createChangeFeed, type ChangeFeed } from '../../session/store-changes.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'

export interface WorkerLink {
  /** What the supervisor has read. */
  readonly files: Promise<ConfigFiles>
  /** Tells the other workers too what this one has changed in the embedded store, and hears of theirs. */
  readonly changes: ChangeFeed
  tell (message: FromWorker): void
}

export interface Orders { readonly stop: () => void, readonly retire: (files: ConfigFiles) => void }

/** This worker's end of the line to its supervisor. */
export function openWorkerLink (orders: Orders): WorkerLink {
  // The supervisor was killed: nothing may be left behind, on its ports or on its store. What was acknowledged is on the disk.
  process.prependListener('disconnect', () => { process.kill(process.pid, 'SIGKILL') })
  const tell = (message: FromWorker): void => {
    // Without a callback a line that has just broken is thrown at whoever speaks.
    process.send?.(message, undefined, {}, () => {})
  }
  const own = createChangeFeed()
  const files = new Promise<ConfigFiles>((resolve) => {
    process.on('message', (message: ToWorker) => {
      switch (message.kind) {
        case 'start': return resolve(message.files)
        case 'changed': return own.tell(message.change)
        case 'retire': return orders.retire(message.files)
        case 'stop': return orders.stop()
      }
    })
  })
  tell({ kind: 'awake' })
  return {
    files,
    tell,
    changes: {
      listen: (listener) => own.listen(listener),
      tell (change) {
        own.tell(change)
        tell({ kind: 'changed', change })
      },
    },
  }
}
