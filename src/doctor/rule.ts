import type { Observation } from './observation.ts'
import type { Visit } from './visit.ts'

/** Groups in the order of the table. */
export const ruleGroups = [
  'configuration', 'address', 'certificate', 'clock and keys', 'secrets', 'interfaces', 'signatures', 'instances', 'lists', 'answers',
  'authorization servers', 'time',
] as const

export type RuleGroup = (typeof ruleGroups)[number]

/** One line of the table. */
export interface Rule {
  readonly id: string
  readonly group: RuleGroup
  /** What is right: a sentence. */
  readonly checks: string
  /** What the marketplace would do or say otherwise. */
  readonly why: string
  /** What a person does about it. */
  readonly advice: string
  /** `gateway`: needs an address that answers; the others look whatever the gateway does. */
  readonly needs: 'nothing' | 'gateway'
  readonly examine: (visit: Visit) => Promise<readonly Observation[]>
}
