import type { ContractState } from '../../directory/contract.ts'
import type { Locale } from '../choose-locale.ts'

/** What the operator console says. */
export interface ConsoleTexts {
  readonly title: string
  readonly readOnly: string
  readonly production: string
  readonly test: string
  readonly testHint: string
  readonly tenants: string
  readonly instances: string
  readonly pushes: string
  readonly keys: string
  readonly outbox: string
  readonly nothing: Readonly<Record<'tenants' | 'instances' | 'pushes' | 'keys' | 'outbox', string>>
  cut (shown: number): string
  waiting (count: number, shown: number): string
  readonly columns: Readonly<Record<
    'tenant' | 'instance' | 'name' | 'server' | 'binding' | 'state' | 'until' | 'order' | 'number' | 'time' | 'interface' | 'outcome' |
    'kind' | 'key' | 'firstSeen' | 'lastUsed' | 'uses' | 'event' | 'attempts' | 'nextTry', string>>
  readonly bound: string
  readonly unbound: string
  readonly states: Readonly<Record<ContractState, string>>
  readonly testMark: string
  readonly never: string
  readonly formerKey: string
  readonly now: string
}

const chinese: ConsoleTexts = {
  title: '运维控制台',
  readOnly: '只读，不含个人数据。时间均为 UTC。',
  production: '正式数据',
  test: '测试数据',
  testHint: '云商店调试（testFlag 1）写入的数据，自成一区，永不与正式数据相遇。',
  tenants: '企业',
  instances: '实例',
  pushes: '最近的推送',
  keys: '访问密钥',
  outbox: '待通知的事件',
  nothing: { tenants: '还没有企业。', instances: '还没有实例。', pushes: '还没有收到推送。', keys: '没有配置访问密钥。', outbox: '没有等待中的事件。' },
  cut: (shown) => `只显示前 ${shown} 条，后面还有。`,
  waiting: (count, shown) => `共 ${count} 个事件在等待，显示前 ${shown} 个。`,
  columns: {
    tenant: '企业 ID',
    instance: '实例 ID',
    name: '名称',
    server: '认证中心',
    binding: '绑定',
    state: '合同状态',
    until: '至',
    order: '订单',
    number: '编号',
    time: '时间',
    interface: '接口',
    outcome: '结果',
    kind: '类型',
    key: '指纹',
    firstSeen: '首次出现',
    lastUsed: '最近使用',
    uses: '次数',
    event: '事件',
    attempts: '已尝试',
    nextTry: '下次',
  },
  bound: '已绑定',
  unbound: '已解绑',
  states: { provisioning: '开通中', refused: '开通被拒', active: '有效', grace: '宽限期', expired: '已到期', frozen: '已冻结', released: '已释放' },
  testMark: '测试',
  never: '从未',
  formerKey: '已不在配置中',
  now: '即刻',
}

const english: ConsoleTexts = {
  title: 'Operator console',
  readOnly: 'Read-only, without personal data. All times are UTC.',
  production: 'Production data',
  test: 'Test data',
  testHint: 'Written by the marketplace’s debugging (testFlag 1), in a name space of its own that never meets production.',
  tenants: 'Enterprises',
  instances: 'Instances',
  pushes: 'Last pushes',
  keys: 'Access keys',
  outbox: 'Events that wait to be told',
  nothing: {
    tenants: 'No enterprise yet.', instances: 'No instance yet.', pushes: 'No push yet.', keys: 'No access key is configured.', outbox: 'Nothing waits.',
  },
  cut: (shown) => `The first ${shown} only; there are more.`,
  waiting: (count, shown) => `${count} ${count === 1 ? 'event waits' : 'events wait'}; the first ${shown} are shown.`,
  columns: {
    tenant: 'Enterprise id',
    instance: 'Instance id',
    name: 'Name',
    server: 'Authorization server',
    binding: 'Binding',
    state: 'Contract',
    until: 'Until',
    order: 'Order',
    number: 'No.',
    time: 'Time',
    interface: 'Interface',
    outcome: 'Outcome',
    kind: 'Kind',
    key: 'Fingerprint',
    firstSeen: 'First seen',
    lastUsed: 'Last used',
    uses: 'Uses',
    event: 'Event',
    attempts: 'Attempts',
    nextTry: 'Next try',
  },
  bound: 'bound',
  unbound: 'unbound',
  states: {
    provisioning: 'being provisioned', refused: 'provisioning refused', active: 'active', grace: 'days of grace', expired: 'expired', frozen: 'frozen', released: 'released',
  },
  testMark: 'test',
  never: 'never',
  formerKey: 'no longer configured',
  now: 'now',
}

export function consoleTextsOf (locale: Locale): ConsoleTexts {
  return locale === 'zh-CN' ? chinese : english
}
