import type { GatewayFleet, SignedPush } from './gateway-fleet.ts'

export interface LoadReport {
  /** Users whose push was acknowledged, by the time of the answer. */
  readonly acknowledged: string[]
  /** What page views were answered, by status; 0 is no answer. */
  readonly statuses: Map<number, number>
  /** Answers that only somebody without a session gets, or without access: with what and when. */
  readonly signedOut: string[]
  /** Pushes that had to be sent more than once. */
  repeated: number
  /** Ms from the fault until page views and pushes had both worked at every gateway again. */
  recoveryMs: number | undefined
}

export interface FleetLoad {
  readonly report: LoadReport
  /** Marks the moment of the fault; recovery is measured from it. */
  faultNow (): void
  /** Resolves when every gateway has answered a page view and taken a push after the fault. */
  recovered (): Promise<void>
  stop (): Promise<LoadReport>
}

/**
 * Signed-in people who look at pages at any gateway, and a marketplace that pushes users and repeats what was not taken. Both go on
 * through whatever happens.
 */
export function startFleetLoad (fleet: GatewayFleet, cookies: readonly string[]): FleetLoad {
  const { urls } = fleet
  const report: LoadReport = { acknowledged: [], statuses: new Map(), signedOut: [], repeated: 0, recoveryMs: undefined }
  const life = { isOver: false }
  let faultAt = Infinity
  const visited = new Set<number>()
  const pushed = new Set<number>()
  let onRecovery = (): void => {}
  const recovery = new Promise<void>((resolve) => { onRecovery = resolve })

  function look (): void {
    if (report.recoveryMs !== undefined || visited.size < urls.length || pushed.size < urls.length) return
    report.recoveryMs = Math.round(performance.now() - faultAt)
    onRecovery()
  }

  async function visitor (offset: number): Promise<void> {
    for (let turn = offset; !life.isOver; turn++) {
      const index = turn % urls.length
      const startedAt = performance.now()
      const status = await fleet.visit(cookies[turn % cookies.length] ?? '', index)
      report.statuses.set(status, (report.statuses.get(status) ?? 0) + 1)
      if (status === 200 && startedAt > faultAt) visited.add(index)
      if (status !== 200 && status !== 0 && status !== 502 && status !== 503) report.signedOut.push(`${status} at gateway ${index}`)
      look()
      await pause(status === 200 ? 5 : 25)
    }
  }

  async function marketplace (lane: number): Promise<void> {
    for (let number = 0; !life.isOver; number++) {
      const userName = `lane-${lane}-user-${number}`
      const push: SignedPush = fleet.authSync([userName])
      for (let times = 0; !life.isOver; times++) {
        const index = (number + times) % urls.length
        const startedAt = performance.now()
        const code = await fleet.send(push, index)
        if (code === '000000') {
          report.acknowledged.push(userName)
          if (startedAt > faultAt) pushed.add(index)
          if (times > 0) report.repeated++
          break
        }
        await pause(50)
      }
      look()
    }
  }

  const work = [visitor(0), visitor(7), visitor(13), marketplace(0), marketplace(1)]
  return {
    report,
    faultNow () { faultAt = performance.now() },
    recovered: () => recovery,
    async stop () {
      life.isOver = true
      await Promise.all(work)
      return report
    },
  }
}

function pause (milliseconds: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, milliseconds) })
}
