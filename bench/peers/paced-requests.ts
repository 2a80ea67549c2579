import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'

/**
 * 200 requests a second for some seconds, sent by the clock and not by the answers, so that a slow answer doesn't hide the waiting of the
 * next. In a process of its own, since signing a large push would delay it. Prints all latencies in ms.
 */
const [url = '', cookie = '', seconds = ''] = process.argv.slice(2)
const latencies: number[] = []
const waiting: Promise<void>[] = []
const startedAt = performance.now()
for (let count = 0; count < Number(seconds) * 200; count++) {
  await sleep(Math.max(0, startedAt + count * 5 - performance.now()))
  const sentAt = performance.now()
  waiting.push(request(url, { headers: { cookie } }).then(async ({ statusCode, body }) => {
    await body.dump()
    if (statusCode !== 200) throw new Error(`a signed-in request was answered ${statusCode}`)
    latencies.push(performance.now() - sentAt)
  }))
}
await Promise.all(waiting)
process.stdout.write(JSON.stringify(latencies))
