import { listSettings, type Setting } from '../src/config/settings.ts'

const areaTitles: Readonly<Record<string, string>> = {
  '': 'The whole gateway',
  redis: 'Redis',
  listen: 'Listeners',
  application: 'The application',
  upstream: 'The application\'s servers',
  identity: 'What the application is told of the person',
  forwardAuth: 'Forward-auth',
  marketplace: 'The marketplace',
  signIn: 'Sign-in',
  session: 'Sessions',
  backchannelLogout: 'Back-channel logout',
  rateLimits: 'Rate limits',
  contract: 'The state of the purchase',
  provisioning: 'The provisioning hook',
  orderQuery: 'The order query',
  retention: 'Retention and erasure',
  log: 'Log',
}

const head = `# Configuration

Written by \`npm run docs\` from \`src/config/schema.ts\`; change it there.

Every setting is a variable of the environment or a key of a YAML file: \`jointgate.yaml\` in the working directory, if it is
there, or the file that \`JOINTGATE_CONFIG\` names. A variable wins over the file. An empty variable counts as not set.

- **Files for secrets.** \`NAME_FILE\` reads the value of \`NAME\` from a file, for every variable. Setting both is an error.
- **Lists** are comma lists in a variable, comma lists or YAML lists in the file.
- **Strict.** An unknown key, an unknown \`JOINTGATE_…\` variable, a weak sealing key or a sample word in place of an access key stop
  the start. All complaints come at once, each with the key and the variable, none with a value. (The variables that Kubernetes sets for a
  Service named \`jointgate\` are let pass.)
- \`jointgate check\` judges the configuration without starting anything and prints what it means.
`

export function renderConfiguration (): string {
  const settings = listSettings()
  const areas = [...new Set(settings.map(areaOf))].sort((a, b) => Number(a !== '') - Number(b !== ''))
  return [head, ...areas.map((area) => renderArea(area, settings.filter((setting) => areaOf(setting) === area)))].join('\n')
}

const areaOf = ({ path }: Setting): string => (path.length > 1 ? path[0] ?? '' : '')

function renderArea (area: string, settings: readonly Setting[]): string {
  const title = areaTitles[area]
  if (title === undefined) throw new Error(`the settings of ${area} need a title`)
  const rows = settings.map((setting) => `| \`${setting.path.join('.')}\` | \`${setting.variable}\` | ${renderDefault(setting)} | ${setting.meaning} |`)
  return `## ${title}\n\n| Key | Variable | Default | Meaning |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

function renderDefault (setting: Setting): string {
  if (setting.fallback !== undefined) return setting.fallback
  if (setting.default === undefined) return '**mandatory**'
  return setting.default === '' ? 'none' : `\`${setting.default}\``
}
