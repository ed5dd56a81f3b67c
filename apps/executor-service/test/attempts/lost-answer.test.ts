import { StorageError } from '@belfry/storage'
import { describe, expect, it } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { command, executionId, policy, start } from '../samples.ts'
import { type Call, openWorld } from '../world.ts'

/** Stores in which the answer to the first write of an end is lost: it is stored. */
function losesAnswer({ executions, ...others }: Stores): Stores {
  let isLost = false
  return {
    ...others,
    executions: {
      ...executions,
      async compareAndSetMany(step, updates, at) {
        const counted = await executions.compareAndSetMany(step, updates, at)
        if (step !== 'finish' || isLost) return counted
        isLost = true
        throw new StorageError('outcome-unknown', 'no answer')
      },
    },
  }
}

const queue = policy({ overlap: { policy: 'queue', limit: 1 } })
const run = ({ context }: Call) => new Promise((resolve) => context.clock.callAfter(1500, () => resolve('done')))

describe('an end that is stored, and whose answer was lost', () => {
  it('counts, and the execution that waits for its overlap place starts as soon as that is known', async () => {
    const world = await openWorld({ run, wrapStores: losesAnswer })
    const commands = [1, 2].map((n) =>
      command({ executionId: executionId(n), fireAt: start + 1000 * n, policy: queue }),
    )
    await world.command(...commands)
    await world.pass(4000, 10)
    expect(await world.read(executionId(1))).toMatchObject({
      state: 'succeeded',
      result: 'done',
      endedAt: start + 2500,
    })
    expect(await world.read(executionId(2))).toMatchObject({ state: 'running' })
    expect(await world.metric('belfry_stale_completions_total')).toEqual([])
    expect(await world.metric('belfry_executions_total')).toEqual([expect.stringMatching(/TEST.*SUCCESS.* 1$/)])
  })
})
