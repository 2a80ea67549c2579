import type { FlowRef } from '../../session/login-flow.ts'
import type { SessionRef } from '../../session/session.ts'
import type { Storage } from '../storage.ts'
import type { ThingChange } from './stored-thing.ts'

/** Things that the ports themselves can write and remove. */
export type PortChange = Extract<ThingChange, { kind: 'session' | 'flow' | 'confirmation' | 'code' }>

export function isPortChange (change: ThingChange): change is PortChange {
  return change.kind === 'session' || change.kind === 'flow' || change.kind === 'confirmation' || change.kind === 'code'
}

export async function writePort ({ sessions, flows }: Pick<Storage, 'sessions' | 'flows'>, change: PortChange): Promise<void> {
  const [id = ''] = change.key
  switch (change.kind) {
    case 'session':
      if (change.value === undefined) await sessions.end(id as SessionRef)
      else await sessions.create(change.value)
      break
    case 'flow':
      if (change.value === undefined) await flows.consumeFlow(id as FlowRef)
      else await flows.saveFlow(change.value)
      break
    case 'confirmation':
      if (change.value === undefined) await flows.consumeConfirmation(id as FlowRef)
      else await flows.saveConfirmation(change.value)
      break
    case 'code':
      if (change.value !== undefined) await flows.claimCode(id, change.value)
  }
}
