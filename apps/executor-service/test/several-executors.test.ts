import { isEnded, type JobExecuteMessage } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { calm, createRandom } from './instances.ts'
import { command, executionId, jobId, policy, start } from './samples.ts'
import { type Instances, openInstances, send } from './several-instances.ts'

/** How many seeds are tried; more by hand. */
const seeds = Number(process.env.BELFRY_TEST_SEEDS ?? 12)
const firstSeed = Number(process.env.BELFRY_TEST_FIRST_SEED ?? 1)

const atMostOnce = policy({ onLostLease: 'fail' })
const limited = policy({ overlap: { policy: 'skip', limit: 1 } })
const limitedJob = jobId(7)

function someCommands(random: () => number, count: number): JobExecuteMessage[] {
  const pick = <T>(some: readonly T[]) => some[Math.floor(random() * some.length)] as T
  return Array.from({ length: count }, (_, n) => {
    const fireAt = start + 500 + Math.floor(random() * 30_000)
    const ms = Math.floor(random() < 0.25 ? 2000 + random() * 8000 : 1 + random() * 300)
    const sort = pick([{}, { policy: atMostOnce }, { policy: limited, jobId: limitedJob }])
    return command({ executionId: executionId(n + 1), fireAt, params: { ms }, ...sort })
  })
}

describe('several executors on one store', () => {
  it.each(Array.from({ length: seeds }, (_, n) => firstSeed + n))(
    'that sleep, lose answers and have other clocks start nothing that is not theirs, and end all (seed %i)',
    async (seed) => {
      const skews = createRandom(seed + 1000)
      const world = await openInstances(seed, 3, () => Math.floor((skews() - 0.5) * 4000))
      const { base, random, stores, starts, stale, instances, pass } = world
      const pick = <T>(some: readonly T[]) => some[Math.floor(random() * some.length)] as T
      const commands = someCommands(random, 40)
      for (const { trouble } of instances) Object.assign(trouble, { unavailable: 0.01, lost: 0.02, latencyMs: 60 })

      const resumes: { readonly at: number; readonly instance: Instances['instances'][number] }[] = []
      for (let n = 0; n < 450; n += 1) {
        if (n % 10 === 0) await send(world, commands, base.now())
        if (random() < 0.012 && n < 320) {
          const instance = pick(instances)
          const sort = random()
          if (sort < 0.35) instance.clock.pause('stopped')
          else if (sort < 0.7) instance.clock.pause('suspended')
          else if (sort < 0.9) instance.trouble.isCut = true
          else instance.trouble.latencyMs = 3000
          resumes.push({ at: n + Math.floor(random() < 0.5 ? 150 : random() * 80), instance })
        }
        for (const one of resumes.filter(({ at }) => at === n || n === 449)) {
          one.instance.clock.resume()
          Object.assign(one.instance.trouble, { isCut: false, latencyMs: 60 })
        }
        await pass(100)
      }
      for (const { trouble } of instances) Object.assign(trouble, calm())
      for (let n = 0; n < 60; n += 1) {
        await send(world, commands, base.now())
        await pass(1000)
        const found = await stores.executions.find(commands.map((one) => one.executionId))
        if (found.every((one) => one && isEnded(one.execution.state))) break
      }
      await pass(2000)

      expect(stale).toEqual([])
      const statuses = instances.flatMap((one) => one.world.statuses)
      const found = await stores.executions.find(commands.map((one) => one.executionId))
      for (const [index, sent] of commands.entries()) {
        const record = found[index]?.execution
        const ofIt = starts.filter(({ id }) => id === sent.executionId)
        const interrupted = record?.attempts.filter(({ outcome }) => outcome === 'interrupted').length ?? 0
        const about = `${sent.executionId} ${JSON.stringify({ ...record, params: undefined })} ${JSON.stringify(ofIt)}`
        expect(['succeeded', 'lost', 'skipped'], about).toContain(record?.state)
        expect(ofIt.length, about).toBeLessThanOrEqual(1 + (record?.losses ?? 0) + interrupted)
        expect(
          ofIt.every(({ at }) => at >= sent.fireAt - 2000),
          about,
        ).toBe(true)
        expect(new Set(ofIt.map(({ epoch }) => epoch)).size, about).toBe(ofIt.length)
        if (sent.policy.onLostLease === 'fail') expect(ofIt.length, about).toBeLessThanOrEqual(1)
        if (record?.state === 'skipped') expect([sent.jobId, ofIt.length], about).toEqual([limitedJob, 0])
        if (record?.state === 'lost') expect(sent.policy.onLostLease, about).toBe('fail')
        if (record?.state === 'succeeded') {
          const last = ofIt.find(({ epoch }) => epoch === record.epoch)
          expect(record.result, about).toBe(`${record.epoch} of ${last?.instance}`)
        }
        const published = Math.max(0, ...statuses.filter((one) => one.executionId === record?.id).map(({ seq }) => seq))
        expect(published, about).toBe(record?.seq)
      }
      // An instance whose record was made, and whose answer was lost, has made another one: the first is found silent after a lease.
      const alive = async () => (await stores.executors.list()).filter((one) => !one.gone).length
      for (let n = 0; n < 30 && (await alive()) > instances.length; n += 1) await pass(1000)
      expect(await alive()).toBe(instances.length)
    },
    120_000,
  )
})
