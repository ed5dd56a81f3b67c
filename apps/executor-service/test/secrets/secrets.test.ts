import { fatal } from '@belfry/worker'
import { describe, expect, it } from 'vitest'
import { command, executionId, policy } from '../samples.ts'
import { type Call, openWorld, type WorldOptions } from '../world.ts'

const canary = 'canary-5f3a"/9c'
const atOnce = { fireAt: 0, policy: policy({ retry: { ...policy().retry, maxRetries: 1 } }) }
const named = command({ ...atOnce, params: { header: 'Bearer {{secret:KEY}}', list: [{ again: '{{secret:KEY}}' }] } })

async function run(options: WorldOptions, message = named) {
  const world = await openWorld({ secrets: { 'usr-1': { KEY: canary }, 'usr-2': { OTHER: canary } }, ...options })
  await world.command(message)
  await world.pass(1000, 50)
  return world
}

describe('params that name secrets', () => {
  it('reach the handler with the values, and are stored and published with the references', async () => {
    const world = await run({})
    expect(world.calls.map(({ params }) => params)).toEqual([{ header: `Bearer ${canary}`, list: [{ again: canary }] }])
    expect((await world.read(executionId(1))).params).toEqual(named.params)
  })

  it('leave no value in logs, results, errors, checkpoints and names of artifacts', async () => {
    const leave = async ({ context, params }: Call) => {
      const value = String(params.header)
      context.log('info', `called with ${value}`)
      context.log('warn', JSON.stringify({ value }))
      context.artifact(`report-${'KEY'}.txt`, 'text/plain', 'nothing')
      await context.checkpoint(JSON.stringify({ value }))
      if (context.epoch === 1) throw fatal('failed', `refused: ${value}`)
      return { value, [value]: [value] }
    }
    const world = await run({ run: leave })
    await world.command(command({ ...named, executionId: executionId(2) }))
    await world.pass(1000, 50)
    const seen: unknown[] = [world.statuses, world.deadLetters, world.logged(), await world.read(executionId(1))]
    seen.push((await world.get(`/executions/${executionId(1)}/logs`)).body)
    for (const one of seen) expect(JSON.stringify(one)).not.toContain('canary')
    const read = await world.read(executionId(1))
    expect(read.error).toMatchObject({ code: 'failed', message: 'refused: Bearer [secret:KEY]' })
    expect((await world.get(`/executions/${executionId(1)}/logs`)).body).toContain('called with Bearer [secret:KEY]')
    expect(read.artifacts.map(({ name }) => name)).toEqual(['report-KEY.txt'])
  })

  it('leave no value in the result', async () => {
    const world = await run({ run: ({ params }) => ({ [String(params.header)]: params }) })
    const { result } = world.statuses.at(-1) ?? {}
    expect(result).toEqual({
      'Bearer [secret:KEY]': { header: 'Bearer [secret:KEY]', list: [{ again: '[secret:KEY]' }] },
    })
  })

  it('leave no value in the name of an artifact', async () => {
    const plain = { 'usr-1': { KEY: 'plain-value' } }
    const world = await run({
      secrets: plain,
      run: ({ context, params }) =>
        context.artifact(`r-${(params.list as { again: string }[])[0]?.again}`, 'text/plain', 'x'),
    })
    expect((await world.read(executionId(1))).artifacts.map(({ name }) => name)).toEqual(['r-secret-KEY'])
  })

  it('end the execution without a retry where the secret is gone, or is that of another user', async () => {
    for (const name of ['GONE', 'OTHER']) {
      const world = await run({}, command({ ...atOnce, params: { a: `{{secret:${name}}}` } }))
      expect(world.calls).toEqual([])
      const { state, error, attempts } = await world.read(executionId(1))
      expect([state, error?.code, attempts.length]).toEqual(['failed', 'secret-not-found', 1])
      expect(error?.message).toContain(name)
    }
  })

  it('fail an attempt, to be retried, while job-service does not answer', async () => {
    const world = await openWorld({ config: { executorSecretsTimeoutMs: 500 } })
    await world.command(named)
    await world.pass(1000, 50)
    expect(await world.read(executionId(1))).toMatchObject({ state: 'ready', failures: 1 })
    await world.pass(10_000, 100)
    expect((await world.read(executionId(1))).error?.code).toBe('secrets-unavailable')
  })
})
