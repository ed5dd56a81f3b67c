import { type Client, createClient } from '@belfry/client'
import { inParallel, withBelfry } from './belfry.ts'
import type { Benchmark, Figure } from './report.ts'

/** Calls a second of callers of one client, each of which waits for its answer before its next call. */
async function rateOf(n: number, callers: number, call: (index: number) => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await inParallel(n, callers, async (index) => {
    await call(index)
  })
  return (n / (performance.now() - startedAt)) * 1000
}

async function measure(client: Client, n: number, callers: number, how: string): Promise<Figure[]> {
  const job = { jobType: 'DUMMY', params: { durationMs: 0 }, schedule: null }
  const made: string[] = []
  const creates = await rateOf(n, callers, async () => made.push((await client.jobs.create(job)).id))
  const triggers = await rateOf(n, callers, (index) => client.jobs.trigger(made[index % made.length] ?? ''))
  return [
    { id: 'client', what: `jobs stored, ${callers} awaiting callers, ${how}`, value: creates, unit: '/s' },
    { id: 'client', what: `triggers recorded, ${callers} awaiting callers, ${how}`, value: triggers, unit: '/s' },
  ]
}

/** What `libs/client` makes of many awaiting callers, with batches and without, in one run. */
export const client: Benchmark = {
  title: 'jobs and triggers of awaiting callers through libs/client, one call each and in batches',
  defaults: { n: 10_000, callers: 64 },
  async run({ n = 0, callers = 0 }) {
    return withBelfry(async ({ url }, { token }) => {
      const credentials = { url, token: token ?? '' }
      const single = createClient({ ...credentials, batches: false })
      await measure(single, Math.min(n, 2_000), callers, 'before the measurement')
      return [
        ...(await measure(single, n, callers, 'a call each')),
        ...(await measure(createClient(credentials), n, callers, 'in batches')),
      ]
    }, {})
  },
}
