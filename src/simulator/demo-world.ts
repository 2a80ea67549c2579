import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Clock } from '../base/clock.ts'
import type { Secret } from '../base/secret.ts'
import type { SdkCredentials } from '../provisioning/sdk-hmac-sha256.ts'
import type { NewEnterprise } from './binding.ts'
import type { NewMember } from './buyer.ts'
import { resolveUrl, type LateUrl } from './marketplace-options.ts'
import { createMarketplace, type Marketplace } from './marketplace.ts'
import type { PushAnswer } from './marketplace-state.ts'
import { createSampleApplication } from './sample-application.ts'

export interface DemoWorldOptions {
  /** The gateway's public address; asked for only once somebody calls, so the gateway may start after this world. */
  readonly gatewayUrl: LateUrl
  /** The gateway's own prefix, such as `/_gate`. */
  readonly prefix: string
  readonly appId: string
  /** Two of each type, all of which the gateway must know. */
  readonly kitKeys: readonly [Secret, Secret]
  readonly productionKeys: readonly [Secret, Secret]
  readonly orderQueryCredentials: SdkCredentials
  readonly applicationPublicKeyPem: string
  readonly clock: Clock
  /** 0 takes any free port. */
  readonly marketplacePort: number
  readonly applicationPort: number
}

/** Everything around the gateway: a marketplace on one side, an application on the other. Both listen on 127.0.0.1. */
export interface DemoWorld {
  readonly marketplace: Marketplace
  readonly marketplaceUrl: string
  readonly applicationUrl: string
  /** What `JOINTGATE_MARKETPLACE_UNIFIED_LOGIN_URL` must be for this world. */
  readonly unifiedLoginUrl: string
  /** Binds the demo enterprises by real pushes; the gateway must be listening. */
  seed (): Promise<PushAnswer[]>
  close (): Promise<void>
}

export async function openDemoWorld (options: DemoWorldOptions): Promise<DemoWorld> {
  const { gatewayUrl, prefix, appId, kitKeys, productionKeys, orderQueryCredentials, applicationPublicKeyPem, clock } = options
  const application = await createSampleApplication({ gatewayUrl, appId, prefix, clock })
  const applicationUrl = await listen(application, options.applicationPort)
  const marketplace = await createMarketplace({
    publicUrl: () => urlOf(marketplace.app),
    gatewayUrl: () => `${resolveUrl(gatewayUrl)}${prefix}/marketplace`,
    callbackUrl: () => `${resolveUrl(gatewayUrl)}${prefix}/callback`,
    applicationUrl: gatewayUrl,
    appId,
    kitKeys,
    productionKeys,
    orderQueryCredentials,
    applicationPublicKeyPem,
    clock,
  })
  const close = async (): Promise<void> => {
    await Promise.all([marketplace.app.close(), application.close()])
  }
  try {
    const marketplaceUrl = await listen(marketplace.app, options.marketplacePort)
    const unifiedLoginUrl = `${marketplaceUrl}/unified-login/#/portal-login`
    return { marketplace, marketplaceUrl, applicationUrl, unifiedLoginUrl, seed: () => seed(marketplace), close }
  } catch (error) {
    await close()
    throw error
  }
}

interface DemoMember extends NewMember {
  readonly standing?: 'disabled' | 'not-authorised'
}

const [management, engineering, marketing] = ['10001', '10002', '10003']

const demoEnterprises: ReadonlyArray<NewEnterprise & { readonly members: readonly DemoMember[] }> = [
  {
    name: '晨曦科技 Sunrise',
    code: 'sunrise',
    members: [
      { userName: 'lihua', name: '李华', role: 'admin', departmentCode: management, password: 'lihua-2025' },
      { userName: 'wangwei', name: '王伟', departmentCode: engineering, password: 'wangwei-2025' },
      { userName: 'zhaomin', name: '赵敏', departmentCode: marketing, password: 'zhaomin-2025', standing: 'disabled' },
      { userName: 'sunli', name: '孙丽', departmentCode: marketing, password: 'sunli-2025', standing: 'not-authorised' },
    ],
  },
  {
    name: '海蓝物流 Bluesea',
    code: 'bluesea',
    members: [{ userName: 'chenjie', name: '陈杰', role: 'admin', departmentCode: management, password: 'chenjie-2025' }],
  },
]

async function seed (marketplace: Marketplace): Promise<PushAnswer[]> {
  const answers: PushAnswer[] = []
  for (const { members, ...enterprise } of demoEnterprises) {
    answers.push(...await marketplace.bind(enterprise))
    for (const { standing, ...member } of members) {
      marketplace.addMember(enterprise.code, member)
      if (standing !== 'not-authorised') answers.push(...await marketplace.grant(enterprise.code, member.userName))
      if (standing === 'disabled') answers.push(...await marketplace.change(enterprise.code, member.userName, { isEnabled: false }))
    }
  }
  return answers
}

async function listen (app: FastifyInstance, port: number): Promise<string> {
  await app.listen({ host: '127.0.0.1', port })
  return urlOf(app)
}

function urlOf (app: FastifyInstance): string {
  const { port } = app.server.address() as AddressInfo
  return `http://127.0.0.1:${port}`
}
