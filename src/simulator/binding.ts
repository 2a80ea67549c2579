import { createPublicKey, randomBytes } from 'node:crypto'
import { Secret } from '../base/secret.ts'
import { sealClientSecret } from '../push/signature/client-secret.ts'
import { aliveInstances, BuyerMistake, findAlive, findEnterprise, isWithin } from './buyer-mistake.ts'
import { departmentListPush } from './department-buyer.ts'
import type { Instance } from './instance.ts'
import type { InstanceBuyer } from './instance-buyer.ts'
import { resolveUrl, type MarketplaceOptions } from './marketplace-options.ts'
import { defaultDepartments, type Enterprise, type MarketplaceState, type PushAnswer } from './marketplace-state.ts'
import type { KitPush } from './push.ts'
import type { PushSender } from './push-sender.ts'

export interface NewEnterprise {
  readonly name: string
  /** Lower-case letters, digits and dashes: it becomes part of an address and of a cookie's name. */
  readonly code: string
  /** Everything of it is debugging data (`testFlag` 1). Default no. */
  readonly isTest?: boolean
}

export interface Binder {
  /** A new enterprise that has bought nothing: nothing is sent. A known one stays as it is. */
  found (enterprise: NewEnterprise): Enterprise
  /**
   * Binds all instances of the enterprise, each by tenantSync, applicationSync and allOrgSync, with a fresh client. An unknown
   * enterprise is founded, and who has no instance buys one first; if that brings none yet, nothing is bound.
   */
  bind (enterprise: NewEnterprise): Promise<PushAnswer[]>
  /** Binds one more instance, with the enterprise's client; the first one gets a fresh client. */
  bindInstance (orderId: string): Promise<PushAnswer[]>
  /** tenantSync flag 0 for each bound instance. Enterprise, instances and members stay; the client is gone. */
  unbind (code: string): Promise<PushAnswer[]>
}

export interface BindingParts {
  readonly state: MarketplaceState
  readonly sender: PushSender
  readonly options: MarketplaceOptions
  readonly instances: InstanceBuyer
}

export function createBinder (parts: BindingParts): Binder {
  const { state, sender } = parts
  return {
    found: (wish) => found(state, wish),

    async bind (wish) {
      const enterprise = found(state, wish)
      const answers = aliveInstances(state, enterprise).length > 0 ? [] : await parts.instances.buy(enterprise.code)
      const instances = aliveInstances(state, enterprise)
      if (instances.length > 0) enterprise.client = newClient()
      for (const instance of instances) answers.push(...await bindInstance(parts, enterprise, instance))
      return answers
    },

    async bindInstance (orderId) {
      const instance = findAlive(state, orderId)
      const enterprise = findEnterprise(state, instance.enterpriseCode)
      enterprise.client ??= newClient()
      return await bindInstance(parts, enterprise, instance)
    },

    async unbind (code) {
      const enterprise = findEnterprise(state, code)
      enterprise.client = undefined
      const answers: PushAnswer[] = []
      for (const instance of aliveInstances(state, enterprise).filter(({ isBound }) => isBound)) {
        instance.isBound = false
        answers.push(await sender.send(tenantPush(enterprise, instance, 0, '解绑 unbind')))
      }
      return answers
    },
  }
}

function found (state: MarketplaceState, { name, code, isTest = false }: NewEnterprise): Enterprise {
  if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(code)) throw new BuyerMistake('the enterprise code takes lower-case letters, digits and dashes')
  if (!isWithin(name, 255)) throw new BuyerMistake('the enterprise needs a name')
  const known = state.enterprises.get(code)
  if (known !== undefined) {
    known.name = name
    return known
  }
  const enterprise: Enterprise = {
    tenantId: randomBytes(16).toString('hex'),
    code,
    name,
    isTest,
    client: undefined,
    domainName: '',
    members: new Map(),
    departments: new Map(defaultDepartments.map((department) => [department.code, { ...department }])),
  }
  state.enterprises.set(code, enterprise)
  return enterprise
}

/** The order is documented (sync.md §0.2). */
async function bindInstance (parts: BindingParts, enterprise: Enterprise, instance: Instance): Promise<PushAnswer[]> {
  const { sender, options, state } = parts
  const path = state.faults.changedDomain === 'on' ? 'as-moved' : 'as'
  enterprise.domainName = `${resolveUrl(options.publicUrl)}/${path}/${enterprise.code}`
  instance.isBound = true
  return [
    await sender.send(tenantPush(enterprise, instance, 1, '绑定 bind')),
    await sender.send(applicationPush(options, enterprise, instance)),
    await sender.send(departmentListPush(enterprise, instance, '绑定 bind')),
  ]
}

function tenantPush (enterprise: Enterprise, { instanceId, orderId }: Instance, flag: 0 | 1, deed: string): KitPush {
  const { tenantId, code: tenantCode, name, domainName, isTest } = enterprise
  const members = { instanceId, orderId, tenantId, tenantCode, name, domainName }
  return { family: 'kit', name: 'tenantSync', flag, occasion: `${deed} ${name}`, isTest, members }
}

function applicationPush (options: MarketplaceOptions, enterprise: Enterprise, { instanceId }: Instance): KitPush {
  const { appId, applicationPublicKeyPem } = options
  const { tenantId, isTest, name, client = newClient() } = enterprise
  const clientSecret = sealClientSecret(new Secret(client.clientSecret), createPublicKey(applicationPublicKeyPem))
  const members = { instanceId, tenantId, appId, clientId: client.clientId, clientSecret }
  return { family: 'kit', name: 'applicationSync', flag: 1, occasion: `绑定 bind ${name}`, isTest, members }
}

function newClient (): NonNullable<Enterprise['client']> {
  return { clientId: randomBytes(16).toString('hex'), clientSecret: randomBytes(24).toString('base64url') }
}
