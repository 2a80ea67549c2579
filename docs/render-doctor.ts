import { readFileSync } from 'node:fs'
import { ruleTable } from '../src/doctor/rule-table.ts'
import { ruleGroups } from '../src/doctor/rule.ts'

const introduction = `# doctor

\`jointgate doctor\` plays the marketplace's debug console (接口调试) and its dial tests (拨测) against a running gateway. Run it

- on the gateway's machine, before anything is entered in the seller centre: \`jointgate doctor\`;
- from outside, before you press the console's buttons: \`jointgate doctor --url https://app.example.com --domain NAME\`;
- every day afterwards, as the marketplace does: five days of failure freeze the trade and hide the goods.

It needs the configuration of the gateway (file and variables, as \`serve\` and \`check\` do), since it signs with the same keys. It
opens no store and may run on another machine.

| Option | Meaning |
|---|---|
| \`--url\` | The production address (生产地址), or the gateway's origin. Absent: the configured public URL. |
| \`--domain\` | An authorization server's domain that tenantSync would name. May stand several times; each must be allowed, resolve and speak TLS. |
| \`--json\` | A file into which everything that was found is written as well. |

| Exit code | Meaning |
|---|---|
| 0 | no rule failed (there may be warnings) |
| 1 | a rule failed |
| 2 | unknown words |
| 78 | the configuration cannot be read |

Everything that it sends is debugging data (\`testFlag\` 1) with ids that begin with \`doctor-\`, the same ones each time. Debugging data
lives in a name space of its own, so no production row is touched, nobody's session ends and no hook is called. It leaves 5000 test
accounts and 5000 test departments there, and about 250 entries a run (some 3 MB) in the push log. It ends within two minutes.

It never prints keys or signatures. It does not try TLS on a plain http address, and follows no redirect. What the configuration makes impossible (a
missing key) is one finding, and the rules that need it are "not reached".

## What it prints

What failed first, then a line for each group; here behind a proxy that writes header names in lower case and takes no megabyte:

`

/** docs/doctor.md: how to use it, a real output, and the table of its rules. */
export function renderDoctor (): string {
  const sample = readFileSync(new URL('doctor-sample.txt', import.meta.url), 'utf8')
  const groups = ruleGroups.map((group) => {
    const rows = ruleTable.filter((rule) => rule.group === group).map(({ id, checks, why, advice }) => `| \`${id}\` | ${[checks, why, advice].map(cell).join(' | ')} |`)
    return [`### ${group}`, '', '| Rule | What is right | Why it matters | What to do |', '|---|---|---|---|', ...rows, ''].join('\n')
  })
  return `${introduction}\`\`\`text\n${sample}\`\`\`\n\n## Rules\n\n${groups.join('\n')}`
}

const cell = (text: string): string => text.replaceAll('|', '\\|')
