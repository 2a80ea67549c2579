import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

/**
 * A server answers six requests, then what they left is collected, then it gets more. Printed: whether V8 still keeps the properties of
 * each request and response where optimised code finds them. A process of its own, since it is about a process's first requests.
 */
const program = `
import { createServer, request } from 'node:http'
import { publicServer } from './src/forward/public-server.ts'
import { rehearseHttp } from './src/forward/rehearse-http.ts'

const isFast = new Function('object', 'return %HasFastProperties(object)')
const seen = []
const server = createServer(publicServer(undefined).http, (incoming, outgoing) => {
  seen.push(isFast(incoming) && isFast(outgoing))
  outgoing.end()
})
const ask = async (count) => {
  for (; count > 0; count--) {
    await new Promise((resolve) => request({ port: server.address().port, agent: false }, (answer) => answer.resume().on('end', resolve)).end())
  }
}
let isRehearsing = process.env.REHEARSE === 'yes'
const collect = () => {
  gc()
  if (isRehearsing) setImmediate(collect)
}
// Collected all the time, as a process that starts may be.
if (isRehearsing) setImmediate(collect)
const met = isRehearsing ? await rehearseHttp() : 0
isRehearsing = false
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
await ask(6)
for (let times = 0; times < 6; times++) {
  gc()
  await new Promise(setImmediate)
}
seen.length = 0
await ask(10)
console.log(JSON.stringify({ met, seen }))
server.close()
`

t.test('the first requests decide nothing about how fast the later ones are', async (t) => {
  const run = async (rehearse: string): Promise<unknown> => {
    const args = ['--expose-gc', '--allow-natives-syntax', '--import=tsx', '--input-type=module', '--eval', program]
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: { PATH: process.env['PATH'], REHEARSE: rehearse } })
    return JSON.parse(stdout) as unknown
  }
  const [without, rehearsed] = await Promise.all([run('no'), run('yes')])
  t.comment(`without a rehearsal, on Node ${process.version}: ${JSON.stringify(without)}`)
  t.strictSame(rehearsed, { met: 16, seen: new Array(10).fill(true) })
})
