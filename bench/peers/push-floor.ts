import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { open } from 'lmdb'
import { z } from 'zod'

/**
 * The least that a push of users must cost: HMAC, JSON.parse, zod, and one LMDB transaction of the same rows that is on the disk when the
 * answer leaves. It answers the milliseconds of that work alone.
 */
const [port = '0', folder = ''] = process.argv.slice(2)
const environment = open({ path: folder, noSubdir: false, eventTurnBatching: false })
const rows = environment.openDB<unknown, string[]>('rows', { encoding: 'msgpack' })

const text = (maximum: number) => z.string().min(1).max(maximum)
const body = z.object({
  instanceId: text(64),
  tenantId: text(64),
  appId: text(64),
  timeStamp: text(17),
  flag: z.number(),
  userList: z.array(z.object({
    userName: text(64), name: text(64), orgCode: text(64), role: z.enum(['user', 'admin']), enable: z.enum(['true', 'false']), email: text(128),
  })),
})

createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  request.on('end', () => {
    const bytes = Buffer.concat(chunks)
    void take(bytes).then((milliseconds) => { response.end(JSON.stringify({ milliseconds })) })
  })
}).listen(Number(port), '127.0.0.1')

async function take (bytes: Buffer): Promise<number> {
  const startedAt = performance.now()
  createHmac('sha256', 'a key of the bench').update(bytes).digest('hex')
  const { userList, timeStamp, instanceId, tenantId, appId } = body.parse(JSON.parse(bytes.toString()))
  await environment.batch(() => {
    for (const { userName, name, orgCode, role, enable, email } of userList) {
      const row = {
        instanceId, userName, name, departmentCode: orgCode, role, isEnabled: enable === 'true', isAuthorised: true, details: { email }, isDeleted: false, version: timeStamp, lastLoss: '',
      }
      void rows.put(['account', 'production', tenantId, appId, userName, instanceId], row)
    }
  })
  await environment.flushed
  return performance.now() - startedAt
}
