import { describe, expect, it } from 'vitest'
import { createWorkerClient } from '../src/sqlite/worker-client.ts'

const [busy, quiet] = [1, 2]
const iteration = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A client whose thread answers when the test says so; `resolved` has the files of the calls that were resolved, in their order. */
function openClient() {
  const resolved: number[] = []
  const client = createWorkerClient(() => undefined, { rows: 10_000, bytes: 1_000_000 })
  return {
    resolved,
    ask(file: number, count: number) {
      for (let n = 0; n < count; n++) void client.ask(['read', file, 0, []], 1, 1).then(() => resolved.push(file))
    },
    answer: (count: number) => client.onAnswers([1, 0, 0, Array.from({ length: count }, () => ['ok', null] as const)]),
  }
}

describe('answers of the store thread', () => {
  it('go to at most 32 callers in one iteration of the event loop', async () => {
    const { ask, answer, resolved } = openClient()
    ask(busy, 70)
    await iteration()
    answer(70)
    await null
    expect(resolved).toHaveLength(32)
    await iteration()
    expect(resolved).toHaveLength(64)
    await iteration()
    expect(resolved).toHaveLength(70)
  })

  it('go to the callers of each file in turn, so that hundreds of one file do not hold up those of another', async () => {
    const { ask, answer, resolved } = openClient()
    ask(busy, 300)
    ask(quiet, 3)
    await iteration()
    answer(303)
    await null
    expect(resolved.filter((file) => file === quiet)).toHaveLength(3)
    expect(resolved).toHaveLength(32)
    ask(quiet, 1)
    await iteration()
    answer(1)
    await iteration()
    expect(resolved.filter((file) => file === quiet)).toHaveLength(4)
    expect(resolved.length).toBeLessThan(100)
  })
})
