import { setTimeout as wait } from 'node:timers/promises'
import { eventually } from '../proof/belfry-process.ts'
import { type Caller, createCaller, readAll } from '../proof/caller.ts'
import type { Fleet } from '../proof/fleet.ts'
import { openTarget } from '../proof/target.ts'
import { withFleet } from './fleet.ts'
import { type Benchmark, percentile } from './report.ts'

interface Execution {
  id: string
  status: string
  attempts: { outcome: string | null }[]
}
interface Load {
  readonly answered: number
  readonly failures: readonly string[]
  readonly waits: readonly number[]
  stop(): Promise<void>
}

const hasEnded = ({ status }: Execution) => !['SCHEDULED', 'RUNNING', 'RETRYING'].includes(status)

/**
 * Idempotent calls, `perSecond` in all, one after the other for each gateway: reads, and triggers with a key of their own.
 * A client that meets a closed connection of one gateway asks the next, as a load balancer would.
 */
function startLoad(fleet: Fleet, { token }: Caller, jobId: string, perSecond: number): Load {
  const users = fleet.of('gateway').map(({ url }) => createCaller(url, token))
  const failures: string[] = []
  const waits: number[] = []
  let answered = 0
  let isStopping = false

  async function send(user: Caller, index: number) {
    if (index % 2 === 0) return user.call('GET', index % 4 === 0 ? '/jobs?limit=5' : '/executions?limit=5')
    return user.call('POST', `/jobs/${jobId}/trigger`, undefined, { 'idempotency-key': `rolling-${index}` })
  }
  async function call(index: number): Promise<void> {
    const begun = performance.now()
    let last = ''
    for (let attempt = 0; attempt < users.length; attempt++) {
      const user = users[(index + attempt) % users.length] as Caller
      const answer = await send(user, index).catch((error: unknown) => String(error))
      last = typeof answer === 'string' ? answer : `${answer.status} ${JSON.stringify(answer.body)}`
      if (typeof answer !== 'string' && answer.status < 400) {
        answered += 1
        waits.push(performance.now() - begun)
        return
      }
      // An answer of a gateway counts as it is; only a gateway that is away is passed over.
      if (typeof answer !== 'string') break
    }
    failures.push(`call ${index}: ${last}`)
  }
  async function run(): Promise<void> {
    const begun = performance.now()
    const calls = new Set<Promise<void>>()
    for (let index = 0; !isStopping; index++) {
      await wait(Math.max(0, begun + (index * 1000) / perSecond - performance.now()))
      const one = call(index).finally(() => calls.delete(one))
      calls.add(one)
    }
    await Promise.all(calls)
  }
  const running = run()
  return {
    get answered() {
      return answered
    },
    failures,
    waits,
    async stop() {
      isStopping = true
      await running
    },
  }
}

/** F9: two instances of each service, restarted one after the other while idempotent calls are made. */
export const rolling: Benchmark = {
  title: 'F9: rolling restarts under load, distributed (about 100 restarts take a quarter of an hour)',
  defaults: { n: 100, calls: 20 },
  async run({ n = 0, calls = 0 }) {
    const instances = {
      gateway: 2,
      'auth-service': 2,
      'job-service': 2,
      'scheduler-service': 2,
      'executor-service': 2,
    }
    const target = await openTarget()
    try {
      return await withFleet({ instances }, async ({ fleet, user }) => {
        const body = { jobType: 'HTTP_CALL', params: { url: target.url, method: 'POST' } }
        const job = await user.call<{ id: string }>('POST', '/jobs', body)
        if (job.status !== 201) throw new Error(`create: ${job.status} ${JSON.stringify(job.body)}`)
        const load = startLoad(fleet, user, job.body.id, calls)
        const stops: number[] = []
        const codes: string[] = []
        for (let restart = 0; restart < n; restart++) {
          const member = fleet.members[restart % fleet.members.length]
          if (!member) break
          const begun = performance.now()
          codes.push(await member.stop())
          stops.push(performance.now() - begun)
          await member.start()
          await fleet.known()
          if (codes.length % 10 === 0)
            console.log(`  ${codes.length} restarts, ${load.answered} calls answered, ${load.failures.length} failed`)
        }
        await load.stop()
        const ended = async () => {
          const runs = await readAll<Execution>(user, '/executions')
          return runs.every(hasEnded) ? runs : undefined
        }
        const runs = await eventually('every run to have ended', ended, 120_000)
        for (const failure of load.failures.slice(0, 10)) console.log(`  ${failure}`)
        const starts = Map.groupBy(target.calls, ({ key }) => key)
        // An attempt that a stop ended is given back and runs again: that start is explained.
        const handedBack = runs.reduce((sum, { attempts }) => sum + attempts.length - 1, 0)
        const again = target.calls.length - starts.size
        const unsuccessful = runs.filter(({ status }) => status !== 'SUCCESS').length
        const none = { atMost: 0 }
        return [
          { id: 'F9', what: 'restarts', value: codes.length, unit: 'restarts' },
          {
            id: 'F9',
            what: 'stops with another code than 0',
            value: codes.filter((code) => code !== '0').length,
            unit: 'stops',
            goal: none,
          },
          { id: 'F9', what: 'stop p50', value: percentile(stops, 0.5) / 1000, unit: 's' },
          { id: 'F9', what: 'idempotent calls answered', value: load.answered, unit: 'calls' },
          { id: 'F9', what: 'idempotent calls failed', value: load.failures.length, unit: 'calls', goal: none },
          { id: 'F9', what: 'answer p99', value: percentile(load.waits, 0.99), unit: 'ms' },
          { id: 'F9', what: 'runs', value: runs.length, unit: 'runs' },
          {
            id: 'F9',
            what: 'starts without an explanation',
            value: Math.max(0, again - handedBack),
            unit: 'starts',
            goal: none,
          },
          { id: 'F9', what: 'attempts given back by a stop', value: handedBack, unit: 'attempts' },
          { id: 'F9', what: 'runs without success', value: unsuccessful, unit: 'runs', goal: none },
        ]
      })
    } finally {
      await target.close()
    }
  },
}
