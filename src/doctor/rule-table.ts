import type { Rule } from './rule.ts'
import { addressRules } from './rules/address.ts'
import { answerRules } from './rules/answers.ts'
import { authorizationServerRules } from './rules/authorization-servers.ts'
import { certificateRules } from './rules/certificate.ts'
import { clockAndKeyRules } from './rules/clock-and-keys.ts'
import { configurationRules } from './rules/configuration.ts'
import { instanceRules } from './rules/instances.ts'
import { interfaceRules } from './rules/interfaces.ts'
import { listRules } from './rules/lists.ts'
import { secretRules } from './rules/secrets.ts'
import { signatureRules } from './rules/signatures.ts'
import { timeRules } from './rules/time.ts'

/** Every rule in the order in which they are looked at: what the later ones need comes first, what sums up comes last. */
export const ruleTable: readonly Rule[] = [
  ...configurationRules,
  ...addressRules.filter(({ needs }) => needs === 'nothing'),
  ...certificateRules,
  ...addressRules.filter(({ needs }) => needs === 'gateway'),
  ...clockAndKeyRules,
  ...secretRules,
  ...interfaceRules,
  ...signatureRules,
  ...instanceRules,
  ...listRules,
  ...answerRules,
  ...authorizationServerRules,
  ...timeRules,
]
