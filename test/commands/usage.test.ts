import t from 'tap'
import { doctor } from '../../src/commands/doctor.ts'
import { erasures } from '../../src/commands/erasures.ts'
import { keys } from '../../src/commands/keys.ts'
import { pushes } from '../../src/commands/pushes.ts'
import { sessions } from '../../src/commands/sessions.ts'
import { storage } from '../../src/commands/storage.ts'

const verbs = { doctor, erasures, keys, pushes, sessions, storage }

for (const [name, verb] of Object.entries(verbs)) {
  t.test(`${name}: --help and -h print the usage and do nothing else; words that are wrong complain with it`, async (t) => {
    const written = { stdout: t.capture(process.stdout, 'write', () => true), stderr: t.capture(process.stderr, 'write', () => true) }
    const ask = async (words: readonly string[]) => {
      const code = await verb(words)
      const [stdout, stderr] = [written.stdout(), written.stderr()].map((calls) => calls.map(({ args }) => String(args[0])).join(''))
      return { code, stdout, stderr }
    }
    const first = { doctor: '--url', erasures: 'list', keys: 'rotate', pushes: 'list', sessions: 'end', storage: 'release' }[name] ?? ''
    const answers = []
    for (const words of [['--help'], ['-h'], [first, '--help'], [first, '-h'], ['nonsense']]) answers.push(await ask(words))
    written.stdout.restore()
    written.stderr.restore()
    const usage = new RegExp(`^Usage: jointgate ${name}`)
    for (const answer of answers.slice(0, -1)) t.match(answer, { code: 0, stdout: usage, stderr: '' })
    t.match(answers.at(-1), { code: 2, stdout: '', stderr: usage })
  })
}
