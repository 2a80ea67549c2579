import { z } from 'zod'

const onOrOff = z.enum(['off', 'on'])
const count = (most: number) => z.coerce.number().int().min(0).max(most)

/** The values that each switch takes; the first of a choice and the 0 of a number mean off. */
const shapes = {
  slow: count(90_000),
  lost: z.enum(['off', 'request', 'answer']),
  doubled: onOrOff,
  old: count(86_400_000),
  shuffled: count(20),
  badSignatures: onOrOff,
  changedDomain: onOrOff,
  rotatedKeys: onOrOff,
  revokedRefreshTokens: onOrOff,
  authorizationServer: z.enum(['off', 'failing', 'hanging']),
} as const

export type FaultName = keyof typeof shapes

/** Everything that a marketplace, or the way to it, can do wrong, each with its switch. */
export type Faults = { [Name in FaultName]: z.infer<(typeof shapes)[Name]> }

export const faultNames = Object.keys(shapes) as FaultName[]

export const isFaultName = (name: string): name is FaultName => Object.hasOwn(shapes, name)

export function noFaults (): Faults {
  return {
    slow: 0,
    lost: 'off',
    doubled: 'off',
    old: 0,
    shuffled: 0,
    badSignatures: 'off',
    changedDomain: 'off',
    rotatedKeys: 'off',
    revokedRefreshTokens: 'off',
    authorizationServer: 'off',
  }
}

/** @returns `undefined` if the switch has no such value */
export function parseFault<Name extends FaultName> (name: Name, value: unknown): Faults[Name] | undefined {
  const parsed = shapes[name].safeParse(value)
  return parsed.success ? parsed.data as Faults[Name] : undefined
}

export function isOn (value: Faults[FaultName]): boolean {
  return value !== 'off' && value !== 0
}

interface FaultText { readonly label: string, readonly sentence: string }

/** How a switch looks: a choice has its values with their words, a number its unit and limit. */
export type FaultControl =
  | { readonly kind: 'choice', readonly values: ReadonlyArray<readonly [value: string, label: string]> }
  | { readonly kind: 'number', readonly unit: string, readonly most: number, readonly suggested: number }

const toggle: FaultControl = { kind: 'choice', values: [['off', '关 off'], ['on', '开 on']] }
const number = (unit: string, most: number, suggested: number): FaultControl => ({ kind: 'number', unit, most, suggested })
const choice = (...values: ReadonlyArray<readonly [string, string]>): FaultControl => ({ kind: 'choice', values: [['off', '关 off'], ...values] })

/** What the console says of each switch. */
export const faultTexts: Readonly<Record<FaultName, FaultText & { readonly control: FaultControl }>> = {
  slow: {
    label: '缓慢 Slow',
    sentence: '每次调用签名后等待这么久才发出。Each call is signed, and leaves only that much later.',
    control: number('ms', 90_000, 3_000),
  },
  lost: {
    label: '丢失 Lost',
    sentence: '请求从未发出，或应用已处理但应答丢失。The call is never sent, or it arrives and its answer is lost.',
    control: choice(['request', '请求丢失 the call'], ['answer', '应答丢失 the answer']),
  },
  doubled: {
    label: '重复 Doubled',
    sentence: '每次调用连同同一签名同时发送两次。Each call goes out twice at once, with one signature.',
    control: toggle,
  },
  old: {
    label: '重放旧消息 Old',
    sentence: '每次调用过这么久后以旧签名再发一次。Each call is sent again that much later, with its old signature.',
    control: number('ms', 86_400_000, 120_000),
  },
  shuffled: {
    label: '乱序 Shuffled',
    sentence: '攒够这么多次调用后倒序发出；创建与查询实例不等待。That many calls are held and then sent last first; instances are made without waiting.',
    control: number('×', 20, 3),
  },
  badSignatures: {
    label: '错误签名 Bad signatures',
    sentence: '用网关不知道的密钥签名。Calls are signed with a key that the gateway does not know.',
    control: toggle,
  },
  changedDomain: {
    label: '更换域名 Changed domain',
    sentence: '之后的绑定使用另一个 domainName，旧地址仍可用。The next bindings carry another domainName; the old one still answers.',
    control: toggle,
  },
  rotatedKeys: {
    label: '轮换密钥 Rotated keys',
    sentence: '改用第二把访问密钥签名。Calls are signed with the second access key.',
    control: toggle,
  },
  revokedRefreshTokens: {
    label: '刷新令牌失效 Revoked refresh tokens',
    sentence: '所有刷新令牌都被拒绝，登录态无法续期。Every refresh token is refused, so no sign-on can be renewed.',
    control: toggle,
  },
  authorizationServer: {
    label: '认证中心故障 Authorization server down',
    sentence: '企业认证中心返回 503，或长时间不应答。The authentication centres answer 503, or nothing for a minute.',
    control: choice(['failing', '503'], ['hanging', '不应答 hangs']),
  },
}
