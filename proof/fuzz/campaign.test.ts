import { expect, it } from 'vitest'
import { createCampaign, type Failure, type FuzzTarget } from './campaign.ts'
import { shrink } from './shrink.ts'

it('a failing value is made smaller as long as it fails', async () => {
  const value = { path: '/jobs', headers: { a: 'b', c: 'd' }, body: [1, 'xxxxBADxxxx', { deep: ['BAD'] }] }
  const fails = async (smaller: unknown) => JSON.stringify(smaller).includes('BAD')
  expect(JSON.stringify(await shrink(value, fails, 1000)).length).toBeLessThanOrEqual('{"b":["BAD"]}'.length + 12)
})

it('the number of tries is bounded', async () => {
  let tries = 0
  await shrink('x'.repeat(60), async () => ++tries < 0, 7)
  expect(tries).toBe(7)
})

const target = (over: Partial<FuzzTarget<string>>): FuzzTarget<string> => ({
  name: 'target',
  draw: (seed) => `input ${seed} FAIL`,
  run: () => undefined,
  ...over,
})

async function failuresOf(over: Partial<FuzzTarget<string>>, stalledMs = 0): Promise<Failure[]> {
  const failures: Failure[] = []
  await createCampaign(failures, 1).run(target(over), 0, 4, () => stalledMs)
  return failures
}

it('one failure of a kind is kept, with its seed, made smaller', async () => {
  const run = (input: string) => (input.includes('FAIL') ? `status 500 of ${input.length}` : undefined)
  const failures = await failuresOf({ run })
  expect(failures.map(({ input }) => input)).toEqual(['FAIL'])
  expect(createCampaign([], 1).seedOf('target', 0)).toBe(failures[0]?.seed)
})

it('what is thrown is a failure', async () => {
  const run = () => {
    throw new Error('broken')
  }
  expect((await failuresOf({ run }))[0]?.issue).toContain('broken')
})

function burn(ms: number): undefined {
  const until = process.threadCpuUsage().user + ms * 1000
  while (process.threadCpuUsage().user < until);
}

it('an input that takes more CPU than it may is a failure, alone and among others', async () => {
  const run = (input: string) => burn(input.includes('FAIL') ? 6 : 0)
  expect((await failuresOf({ run, cpuMs: 5 }))[0]?.issue).toMatch(/^takes \d+\.\d ms of CPU$/)
  expect(await failuresOf({ run, cpuMs: 50 })).toEqual([])
  const stalls = (input: string) => burn(input.includes('FAIL') ? 20 : 0)
  expect((await failuresOf({ run: stalls, callers: 4, cpuMs: 10 }, 1000))[0]?.issue).toMatch(/^takes /)
})
