import { failure, sound, warning } from '../observation.ts'
import type { Rule } from '../rule.ts'

/** What is wrong before anything is sent. */
export const configurationRules: readonly Rule[] = [
  {
    id: 'configuration.kit-key',
    group: 'configuration',
    checks: 'A Kit access key is configured.',
    why: 'The marketplace signs tenantSync, applicationSync, authSync, singleOrgSync and allOrgSync with it: without it every one is refused with 000001.',
    advice: 'Make a key for the joint SaaS interfaces in the seller centre (应用工具 > 密钥管理) and set JOINTGATE_MARKETPLACE_KIT_KEYS.',
    needs: 'nothing',
    async examine ({ options }) {
      if (options.kitKeys.length > 0) return [sound('Kit keys')]
      return [failure('JOINTGATE_MARKETPLACE_KIT_KEYS', 'no key')]
    },
  },
  {
    id: 'configuration.production-key',
    group: 'configuration',
    checks: 'An access key of the base interfaces is configured.',
    why: 'newInstance, queryInstance and the others are refused with 000001 without it: no order can be delivered, and the listing fails its tests.',
    advice: 'Make a key for the base interfaces in the seller centre and set JOINTGATE_MARKETPLACE_PRODUCTION_KEYS.',
    needs: 'nothing',
    async examine ({ options }) {
      return [options.productionKeys.length > 0 ? sound('production keys') : failure('JOINTGATE_MARKETPLACE_PRODUCTION_KEYS', 'no key')]
    },
  },
  {
    id: 'configuration.private-key',
    group: 'configuration',
    checks: 'A private key is configured that opens client secrets.',
    why: 'applicationSync brings the client secret encrypted with our public key; without its other half no tenant can be bound.',
    advice: 'Make an RSA pair of at least 3072 bits, enter the public half in the application credential (应用凭证), set JOINTGATE_MARKETPLACE_PRIVATE_KEYS_FILE.',
    needs: 'nothing',
    async examine ({ options }) {
      return [options.privateKeys.length > 0 ? sound('private keys') : failure('JOINTGATE_MARKETPLACE_PRIVATE_KEYS', 'no key')]
    },
  },
  {
    id: 'configuration.key-kinds',
    group: 'configuration',
    checks: 'No key is both a Kit key and a key of the base interfaces.',
    why: 'The seller centre binds a key to one interface type, so one of the two lists holds a wrong one: its calls will be refused.',
    advice: 'Compare both lists with the types of the keys in the seller centre (应用工具 > 密钥管理).',
    needs: 'nothing',
    async examine ({ options }) {
      const productionKeys = new Set(options.productionKeys.map((key) => key.reveal()))
      const isShared = options.kitKeys.some((key) => productionKeys.has(key.reveal()))
      return [isShared ? warning('access keys', 'the same key stands in JOINTGATE_MARKETPLACE_KIT_KEYS and JOINTGATE_MARKETPLACE_PRODUCTION_KEYS') : sound('access keys')]
    },
  },
  {
    id: 'configuration.tenant-domains',
    group: 'configuration',
    checks: 'The domains of authorization servers are listed.',
    why: 'Client id and secret are sent to the domain that tenantSync names; without a list that may be any public https host.',
    advice: 'Set JOINTGATE_MARKETPLACE_TENANT_DOMAINS to the suffixes that your tenants\' login addresses have.',
    needs: 'nothing',
    async examine ({ options }) {
      return [options.tenantDomains.length > 0 ? sound('tenant domains') : warning('JOINTGATE_MARKETPLACE_TENANT_DOMAINS', 'empty: any public https name is taken')]
    },
  },
]
