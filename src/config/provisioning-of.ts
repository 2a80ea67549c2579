import type { OpenProvisioningOptions } from '../provisioning/open-provisioning.ts'
import { orderQueryBaseUrls } from '../provisioning/order-query.ts'
import type { Config } from './load-config.ts'

/** Who is told of instance events, and who is asked about orders: what the seller has set up of it. */
export function provisioningOf ({ provisioning, orderQuery }: Config): Pick<OpenProvisioningOptions, 'hook' | 'orderQuery'> {
  const { accessKeyId, secretAccessKey, url } = orderQuery
  const isAsked = accessKeyId !== undefined && secretAccessKey !== undefined && url !== undefined
  return {
    ...(provisioning.url !== undefined && { hook: { url: provisioning.url, secrets: provisioning.secrets } }),
    ...(isAsked && { orderQuery: { baseUrls: orderQueryBaseUrls(url), accessKeyId, secretAccessKey } }),
  }
}
