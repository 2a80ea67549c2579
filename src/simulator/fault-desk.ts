import { BuyerMistake } from './buyer-mistake.ts'
import { isOn, noFaults, parseFault, type FaultName, type Faults } from './faults.ts'
import type { MarketplaceState, PushAnswer } from './marketplace-state.ts'
import type { Generation } from './push.ts'
import type { PushSender } from './push-sender.ts'

/** What makes the marketplace misbehave, and speak the older language. */
export interface FaultDesk {
  /**
   * Turns one switch; `'off'` or `0` is off. Turning the shuffling off sends what it holds.
   * @throws BuyerMistake if the switch has no such value
   */
  setFault<Name extends FaultName> (name: Name, value: Faults[Name]): Promise<void>
  /** All switches off. */
  resetFaults (): Promise<void>
  setGeneration (generation: Generation): void
  /**
   * Sends a call of the log again as it was, with its old signature.
   * @throws BuyerMistake if it was never sent or is forgotten
   */
  replay (number: number): Promise<PushAnswer>
}

export function createFaultDesk (state: MarketplaceState, sender: PushSender): FaultDesk {
  return {
    async setFault (name, value) {
      const parsed = parseFault(name, value)
      if (parsed === undefined) throw new BuyerMistake(`the switch ${name} has no value ${String(value)}`)
      state.faults[name] = parsed
      if (name === 'shuffled' && !isOn(parsed)) await sender.sendHeld()
    },
    async resetFaults () {
      Object.assign(state.faults, noFaults())
      await sender.sendHeld()
    },
    setGeneration (generation) {
      state.generation = generation
    },
    async replay (number) {
      const answer = await sender.replay(number)
      if (answer === undefined) throw new BuyerMistake(`there is no call number ${number} to send again`)
      return answer
    },
  }
}
