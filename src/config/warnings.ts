import { isLoopbackHost } from '../base/loopback-host.ts'
import type { Config } from './load-config.ts'
import { routeWarnings } from './route-warnings.ts'

/** What is allowed but seldom meant, in sentences for the operator. `serve` logs them, `check` prints them. */
export function configWarnings (config: Config): string[] {
  const { marketplace, session, listen, storage, dangerouslyAllowHttp, dangerouslyAllowLoss } = config
  const warnings: string[] = []
  if (marketplace.kitKeys.length === 0) {
    warnings.push('JOINTGATE_MARKETPLACE_KIT_KEYS is empty: every push is refused, so nobody can be authorised.')
  }
  if (marketplace.privateKeys.length === 0) {
    warnings.push('JOINTGATE_MARKETPLACE_PRIVATE_KEYS is empty: no client secret can be opened, so nobody can sign in.')
  }
  if (marketplace.productionKeys.length === 0) {
    warnings.push('JOINTGATE_MARKETPLACE_PRODUCTION_KEYS is empty: every call of a base interface is refused, so nothing can be bought and the listing fails its tests.')
  }
  if (marketplace.tenantDomains.length === 0) {
    warnings.push('JOINTGATE_MARKETPLACE_TENANT_DOMAINS is empty: a signed push may name any public https host as an authorization server.')
  }
  if (dangerouslyAllowHttp) {
    warnings.push('JOINTGATE_DANGEROUSLY_ALLOW_HTTP is on: http and loopback addresses are accepted. Never use it for real data.')
  }
  if (dangerouslyAllowLoss) {
    warnings.push('JOINTGATE_DANGEROUSLY_ALLOW_LOSS is on: a Redis that may lose acknowledged pushes is accepted. Never use it for real data.')
  }
  if (storage.kind === 'redis' && !storage.tls && !storage.nodes.every(({ host }) => isLoopbackHost(host))) {
    warnings.push('JOINTGATE_STORAGE is Redis without TLS: the password and the keys\' names can be read on the way. Write rediss….')
  }
  if (session.idleTimeoutSeconds > 3_600 || session.absoluteTimeoutSeconds > 86_400) {
    warnings.push('Sessions live longer than NIST SP 800-63B AAL2 allows (1 hour idle, 24 hours in all).')
  }
  if (!isLoopbackHost(listen.operator.host)) {
    warnings.push(`The operator listener is bound to ${listen.operator.host}: see that only operators can reach it.`)
  }
  return [...warnings, ...routeWarnings(config.routes, config.application)]
}
