import { writeFileSync } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { loadConfig, processSources, type Config } from '../config/load-config.ts'
import { describeExamination } from '../doctor/describe-examination.ts'
import { examineGateway, type Examination } from '../doctor/examine-gateway.ts'
import { usualLimits } from '../doctor/visit.ts'
import { printLines } from './print-lines.ts'
import { exitCodes, printComplaints, printUsage } from './report.ts'

const usage = `Usage: jointgate doctor [--url https://…] [--json FILE] [--domain NAME]…

  Plays the marketplace's debug console and dial tests against a running gateway, with the keys of this configuration and
  as debugging data only. docs/doctor.md lists the rules.

  --url      the production address, or the origin of the gateway; the configured one if absent
  --json     writes what was found into a file as well
  --domain   an authorization server that must be taken; may stand several times
`

interface DoctorWords { readonly url: URL | undefined, readonly jsonFile: string | undefined, readonly domains: readonly string[] }

/** `doctor` and the words behind it. */
export async function doctor (words: readonly string[]): Promise<number> {
  const read = readWords(words)
  if (read === undefined) return printUsage(usage, words)
  const loaded = loadConfig(processSources())
  if (loaded.kind === 'invalid') {
    printComplaints('jointgate', loaded.complaints)
    return exitCodes.config
  }
  const examination = await examine(loaded.config, read)
  printLines(describeExamination(examination))
  if (read.jsonFile !== undefined) writeFileSync(read.jsonFile, `${JSON.stringify(examination, undefined, 2)}\n`)
  return examination.isSound ? exitCodes.ok : exitCodes.fault
}

function readWords (words: readonly string[]): DoctorWords | undefined {
  try {
    const { values } = parseArgs({
      args: [...words], options: { url: { type: 'string' }, json: { type: 'string' }, domain: { type: 'string', multiple: true } },
    })
    const url = values.url === undefined ? undefined : new URL(values.url)
    const isMeant = url === undefined || ((url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' && url.password === '')
    return isMeant ? { url, jsonFile: values.json, domains: values.domain ?? [] } : undefined
  } catch {
    // Another word, or an address that is none.
    return undefined
  }
}

async function examine (config: Config, { url, domains }: DoctorWords): Promise<Examination> {
  const { application: { id, publicUrl, prefix }, marketplace, dangerouslyAllowHttp } = config
  const base = url ?? new URL(publicUrl)
  const baseUrl = base.pathname === '/' ? `${base.origin}${prefix}/marketplace` : base.href.replace(/\/$/, '')
  const { kitKeys, productionKeys, privateKeys, tenantDomains } = marketplace
  return examineGateway({
    kitKeys,
    productionKeys,
    privateKeys,
    tenantDomains,
    dangerouslyAllowHttp,
    domains,
    baseUrl,
    callbackUrl: `${base.origin}${prefix}/callback`,
    appId: id,
    clock: systemClock,
    limits: usualLimits,
    authorities: [],
    lookup,
  })
}
