import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { renderConfiguration } from '../docs/render-configuration.ts'
import { renderErrors } from '../docs/render-errors.ts'
import { findViolations } from './support/architecture.ts'

const root = new URL('..', import.meta.url)
const isText = /\.(?:ts|js|json|eta|css|md|yaml|yml|sh|txt)$|(?:^|\/)(?:Dockerfile|run|\.dockerignore|\.gitignore|\.npmrc)$/

function readTree (): Map<string, string> {
  const tree = new Map<string, string>()
  const read = (path: string): void => { tree.set(path, readFileSync(new URL(path, root), 'utf8')) }
  for (const folder of ['src', 'test', 'views', 'docs', 'bench', 'scripts', '.ci'].filter((name) => existsSync(new URL(name, root)))) {
    for (const path of readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })) {
      if (isText.test(path) && !path.includes('node_modules/')) read(`${folder}/${path}`)
    }
  }
  for (const file of readdirSync(root, { withFileTypes: true })) {
    if (file.isFile() && isText.test(file.name) && file.name !== 'package-lock.json') read(file.name)
  }
  return tree
}

t.test('the tree keeps the rules of the house', async (t) => {
  t.same(findViolations(readTree()), [])
})

t.test('the generated pages are what the sources say', async (t) => {
  t.equal(readFileSync(new URL('docs/configuration.md', root), 'utf8'), renderConfiguration(), 'run npm run docs')
  t.equal(readFileSync(new URL('docs/errors.md', root), 'utf8'), renderErrors(), 'run npm run docs')
})

// Each rule is shown to fail on a small made-up tree that is good but for one thing.
const good = {
  'src/base/clock.ts': 'export const clock = 1\n',
  'src/session/session.ts': "import { clock } from '../base/clock.ts'\nexport const session = clock\n",
  'src/config/load-config.ts': 'export const env = process.env\n',
  'src/simulator/marketplace.ts': 'export const marketplace = 1\n',
  'src/commands/demo.ts': "import { marketplace } from '../simulator/marketplace.ts'\nexport const demo = marketplace\n",
  'src/main.ts': "import './config/load-config.ts'\nawait import('./commands/demo.ts')\n",
  'test/session/session.test.ts': "import type { session } from '../../src/session/session.ts'\nconst main = new URL('../../src/main.ts', import.meta.url)\n",
  'views/layout.eta': '<title><%= it.title %></title><%~ it.body %><%~ include(\'@foot\', it) %>',
}

const bad: Array<[rule: string, change: Record<string, string>, complaint: RegExp]> = [
  ['an import against the order of rooms', { 'src/base/clock.ts': "import type { session } from '../session/session.ts'\n" }, /session stands behind base/],
  ['a dynamic import against the order of rooms', { 'src/base/clock.ts': "await import('../session/session.ts')\n" }, /session stands behind base/],
  ['a re-export against the order of rooms', { 'src/session/session.ts': "export * from '../config/load-config.ts'\n" }, /config stands behind session/],
  ['an import of main.ts', { 'src/commands/demo.ts': "import '../main.ts'\n" }, /main\.ts stands behind commands/],
  ['an import from the tests', { 'src/commands/demo.ts': "import '../../test/session/session.test.ts'\n" }, /not part of the product/],
  ['the simulator in the gateway', { 'src/config/load-config.ts': "import '../simulator/marketplace.ts'\n" }, /only the doctor and commands may use the simulator/],
  ['a cycle', { 'src/session/session.ts': "import './store.ts'\n", 'src/session/store.ts': "import './session.ts'\n" }, /a cycle: .*session\.ts → .*store\.ts → .*session\.ts/],
  ['a file of more than 250 lines', { 'src/base/clock.ts': '\n'.repeat(251) }, /251 lines/],
  ['a file that no test reaches', { 'src/base/unused.ts': '' }, /unused\.ts is reached by no test/],
  ['a default export', { 'src/base/clock.ts': 'export default 1\n' }, /default export/],
  ['a default export by renaming', { 'src/base/clock.ts': 'const a = 1\nexport { a as default }\n' }, /default export/],
  ['a name that says nothing', { 'src/base/utils.ts': '' }, /says nothing/],
  ['a folder whose name says nothing', { 'src/session/helpers/x.ts': '' }, /says nothing/],
  ['a name that is not kebab-case', { 'src/base/sealedBox.ts': '' }, /kebab-case/],
  ['a room that the plan does not have', { 'src/billing/bill.ts': '' }, /no room "billing"/],
  ['a path of one machine', { 'docs/notes.md': `see ${['', 'work', 'x'].join('/')}` }, /docs\/notes\.md names/],
  ['the environment read outside config', { 'src/base/clock.ts': 'export const clock = process.env.TZ\n' }, /reads the environment/],
  ['the environment taken apart outside config', { 'src/base/clock.ts': 'const { env } = process\n' }, /reads the environment/],
  ['unescaped output in a view', { 'views/page.eta': '<p><%~ it.name %></p>' }, /without escaping/],
  ['unescaped body outside the layout', { 'views/page.eta': '<%~ it.body %>' }, /without escaping/],
  ['a partial whose name comes from data', { 'views/page.eta': '<%~ include(it.name) %>' }, /without escaping/],
]

t.test('a good tree has no complaint', async (t) => {
  t.same(findViolations(new Map(Object.entries(good))), [])
})

for (const [rule, change, complaint] of bad) {
  t.test(`found: ${rule}`, async (t) => {
    t.match(findViolations(new Map(Object.entries({ ...good, ...change }))).join('\n'), complaint)
  })
}
