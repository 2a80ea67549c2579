import { failure, sound } from '../observation.ts'
import type { Rule } from '../rule.ts'

export const timeRules: readonly Rule[] = [
  {
    id: 'time.total',
    group: 'time',
    checks: 'The whole examination ends within two minutes.',
    why: 'What takes so long here takes long for the marketplace too; what was left out is marked "not reached".',
    advice: 'See which answers were slow, then run it again, if need be from nearer to the gateway.',
    needs: 'nothing',
    async examine ({ isLate, options: { limits } }) {
      return [isLate ? failure('the examination', `stopped after ${Math.round(limits.total / 1000)} seconds`) : sound('the examination')]
    },
  },
]
