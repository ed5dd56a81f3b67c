import type { ServerResponse } from 'node:http'
import { eventually } from '../proof/belfry-process.ts'
import { readAll } from '../proof/caller.ts'
import { openTarget, preciseNow, type TargetCall } from '../proof/target.ts'
import { inParallel } from './belfry.ts'
import { withFleet } from './fleet.ts'
import { type Benchmark, type Figure, percentile } from './report.ts'

interface Execution {
  id: string
  status: string
  attempts: { epoch: number; outcome: string | null }[]
}

/** A target that holds each answer back until `release`. */
async function openHoldingTarget() {
  const held: ServerResponse[] = []
  let isHolding = true
  const answer = (response: ServerResponse) => response.setHeader('content-type', 'application/json').end('{}')
  const target = await openTarget((_call: TargetCall, response) => {
    if (isHolding) held.push(response)
    else answer(response)
  })
  const release = () => {
    isHolding = false
    for (const response of held.splice(0)) answer(response)
  }
  return { target, release }
}

/** `n` runs on one executor, which is then killed with -9 while another one stands by. */
async function takeOver(n: number, leaseMs: number, goalMs: number): Promise<Figure[]> {
  const env = {
    BELFRY_EXECUTOR_LEASE_MS: String(leaseMs),
    BELFRY_EXECUTOR_BEAT_MS: String(Math.min(1_000, leaseMs / 4)),
  }
  const { target, release } = await openHoldingTarget()
  try {
    return await withFleet({ envOf: { 'executor-service': env } }, async ({ fleet, user, measure }) => {
      const body = { jobType: 'HTTP_CALL', params: { url: target.url, method: 'POST' }, timeout: '120s' }
      await inParallel(n, 16, async () => {
        const job = await user.call<{ id: string }>('POST', '/jobs', body)
        if (job.status !== 201) throw new Error(`create: ${job.status} ${JSON.stringify(job.body)}`)
        await user.call('POST', `/jobs/${job.body.id}/trigger`)
      })
      await eventually(
        'all runs to be at the target',
        async () => (target.calls.length >= n ? true : undefined),
        60_000,
      )
      await fleet.add('executor-service')
      const killed = fleet.of('executor-service')[0]
      if (!killed || target.calls.length !== n) throw new Error(`${target.calls.length} calls instead of ${n}`)
      await killed.kill()
      const killedAt = preciseNow()
      const seen = async () => (target.calls.length >= 2 * n ? true : undefined)
      await measure(`take-over, lease ${leaseMs} ms`, n, () =>
        eventually('every run to be at the target again', seen, 120_000),
      )
      release()
      const ended = async () => {
        const runs = await readAll<Execution>(user, '/executions')
        return runs.filter(({ status }) => status === 'SUCCESS').length >= n ? runs : undefined
      }
      const runs = await eventually('every run to be recorded', ended, 60_000)
      const again = target.calls.slice(n).map(({ at }) => at - killedAt)
      const keys = new Set(target.calls.map(({ key }) => key)).size
      const twice = runs.filter(({ attempts }) => attempts.length === 2).length
      const who = `lease ${leaseMs} ms`
      const bound = { atMost: goalMs / 1000 }
      return [
        {
          id: 'P7',
          what: `${who}: kill to the last run again`,
          value: percentile(again, 1) / 1000,
          unit: 's',
          goal: bound,
        },
        { id: 'P7', what: `${who}: kill to the first run again`, value: Math.min(...again) / 1000, unit: 's' },
        { id: 'P7', what: `${who}: keys beyond one a run`, value: keys - n, unit: 'keys', goal: { atMost: 0 } },
        { id: 'P7', what: `${who}: runs without two attempts`, value: n - twice, unit: 'runs', goal: { atMost: 0 } },
      ]
    })
  } finally {
    release()
    await target.close()
  }
}

/** P7, with the default lease and with 2 s. What a late result meets is a test of executor-service. */
export const takeover: Benchmark = {
  title: "P7: the runs of an executor that is killed with -9, until another one's have begun",
  defaults: { n: 50, rounds: 1 },
  async run({ n = 0, rounds = 1 }) {
    const figures: Figure[] = []
    for (let round = 0; round < rounds; round++) {
      figures.push(...(await takeOver(n, 5_000, 6_000)), ...(await takeOver(n, 2_000, 2_500)))
    }
    return figures
  },
}
