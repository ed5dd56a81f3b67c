import { createManualClock } from '@belfry/service'
import { openMemoryDatabase } from '@belfry/storage/sqlite'
import { createTestDeps } from '@belfry/testkit'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createDrain } from '../../src/drain/drain.ts'
import { migrations } from '../../src/store/sqlite/index.ts'
import { command, executionId, start } from '../samples.ts'
import { openWorld } from '../world.ts'

const due = (n: number, at = 0) => command({ executionId: executionId(n), fireAt: start + at })
const iso = (ms: number) => new Date(start + ms).toISOString()

describe('a drain of the system', () => {
  it('lets no execution start, and what runs goes on; its end lets them start at once', async () => {
    let finish = () => {}
    const world = await openWorld({
      run: (_call, number) => (number === 1 ? new Promise<void>((resolve) => (finish = resolve)) : null),
    })
    await world.command(due(1))
    expect((await world.post('/system/drain', { reason: 'upgrade' }, 'operator')).json()).toEqual({
      isDrained: true,
      until: null,
      noticedWithinMs: 1000,
    })
    await world.command(due(2), due(3, 3000))
    await world.pass(60_000, 1000)
    expect([world.calls.length, (await world.read(executionId(2))).state]).toEqual([1, 'ready'])
    finish()
    await world.pass(1000, 100)
    expect((await world.read(executionId(1))).state).toBe('succeeded')
    expect((await world.get('/system/drain')).json()).toMatchObject({ isDrained: true })
    expect((await world.post('/system/resume', undefined, 'operator')).json()).toMatchObject({ isDrained: false })
    await world.pass(1000, 50)
    expect([(await world.read(executionId(2))).state, (await world.read(executionId(3))).state]).toEqual([
      'succeeded',
      'succeeded',
    ])
  })

  it('ends by itself at its end', async () => {
    const world = await openWorld()
    await world.post('/system/drain', { until: iso(10_000) }, 'operator')
    await world.command(due(1))
    await world.pass(9_900, 100)
    expect(world.calls).toHaveLength(0)
    await world.pass(2_000, 100)
    expect(world.calls).toHaveLength(1)
  })

  it('survives a restart', async () => {
    const db = await openMemoryDatabase(migrations)
    onTestFinished(() => db.close())
    const clock = createManualClock(start)
    const before = await openWorld({ db, clock })
    await before.post('/system/drain', undefined, 'admin')
    await before.command(due(1))
    await before.stop()
    const world = await openWorld({ db, clock })
    await world.pass(5000, 100)
    expect(world.calls).toHaveLength(0)
    await world.post('/system/resume', undefined, 'operator')
    await world.pass(1000, 50)
    expect(world.calls).toHaveLength(1)
  })

  it('is for operators; users see it', async () => {
    const world = await openWorld()
    expect((await world.post('/system/drain', {})).statusCode).toBe(403)
    expect((await world.post('/system/resume', undefined)).statusCode).toBe(403)
    expect((await world.get('/system/drain')).json()).toMatchObject({ isDrained: false, until: null })
    const late = await world.post('/system/drain', { until: iso(-1) }, 'operator')
    expect([late.statusCode, late.json().errors[0].pointer]).toEqual([422, '/until'])
  })

  it('stays as the newest call has set it where a look, or another call, is slower', async () => {
    const clock = createManualClock(start)
    const { log } = createTestDeps({ clock, logLevel: 'silent', seed: 1 }).depsOf('executor-service')
    let stored = 0
    const slow: (() => void)[] = []
    const wait = () => new Promise<void>((resolve) => slow.push(resolve))
    const cursors = {
      async read() {
        const found = stored
        await wait()
        return found
      },
      async write(_name: string, at: number) {
        await wait()
        stored = at
      },
    }
    const drain = createDrain({ cursors, clock, log, isSoleOwner: false })
    const settle = async (last: Promise<unknown>) => {
      let isOver = false
      void last.then(() => {
        isOver = true
      })
      while (!isOver) {
        slow.pop()?.()
        await clock.advance(0)
      }
    }
    const look = drain.runOnce()
    await settle(drain.set(null))
    await settle(look)
    expect(drain.isOn()).toBe(true)
    const [resumed, drained] = [drain.set(undefined), drain.set(start + 5000)]
    await settle(Promise.all([drained, resumed]))
    expect([stored, drain.until()]).toEqual([start + 5000, start + 5000])
    const again = drain.runOnce()
    await settle(again)
    expect(drain.until()).toBe(start + 5000)
  })

  it('is noticed by another executor at its next look, and a store that does not answer changes nothing', async () => {
    const clock = createManualClock(start)
    const { log } = createTestDeps({ clock, logLevel: 'silent', seed: 1 }).depsOf('executor-service')
    let [stored, ended, fails] = [0, 0, false]
    const cursors = {
      async read() {
        if (fails) throw new Error('the store does not answer')
        return stored
      },
      async write(_name: string, at: number) {
        stored = at
      },
    }
    const create = () => {
      const drain = createDrain({ cursors, clock, log, isSoleOwner: false })
      drain.onEnd(() => {
        ended += 1
      })
      return drain
    }
    const [one, other] = [create(), create()]
    await one.set(null)
    expect([one.isOn(), other.isOn()]).toEqual([true, false])
    await other.runOnce()
    expect([other.isOn(), other.until()]).toEqual([true, null])
    await one.set(undefined)
    fails = true
    await other.runOnce()
    expect(other.isOn()).toBe(true)
    fails = false
    await other.runOnce()
    expect([other.isOn(), other.until(), ended]).toEqual([false, undefined, 2])
  })
})
