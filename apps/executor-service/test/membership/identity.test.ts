import { createManualClock, createSeededIds, momentOf } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createIdentity } from '../../src/membership/identity.ts'

function open(leaseMs: number | null = 5000) {
  const clock = createManualClock()
  return { clock, identity: createIdentity({ ids: createSeededIds(1), clock, leaseMs, isDrained: () => false }) }
}

describe('the identity of an executor', () => {
  it('takes a new name only once that is enlisted', async () => {
    const { identity } = open()
    expect([identity.isEnlisted, identity.mayStart()]).toEqual([false, false])
    await identity.enlist(async () => undefined)
    const first = identity.name
    await expect(identity.enlist(() => Promise.reject(new Error('the store is away')))).rejects.toThrow('away')
    expect([identity.name, identity.isEnlisted, identity.mayStart()]).toEqual([first, false, false])
    const enlisted: string[] = []
    await identity.enlist(async (name) => {
      expect(identity.name).toBe(first)
      enlisted.push(name)
    })
    expect(enlisted).toEqual([identity.name])
    expect(identity.name).not.toBe(first)
    expect([identity.isEnlisted, identity.mayStart()]).toEqual([true, true])
  })

  it('may start for a lease after a sign of life was sent, not after its answer came', async () => {
    const { clock, identity } = open()
    await identity.enlist(async () => void (await clock.advance(4000)))
    expect(identity.leftMs()).toBe(1000)
    const sentAt = momentOf(clock)
    await clock.advance(900)
    identity.gotThrough(sentAt)
    expect(identity.leftMs()).toBe(4100)
    await clock.advance(4100)
    expect(identity.mayStart()).toBe(false)
    identity.gotThrough(momentOf(clock))
    expect(identity.mayStart()).toBe(true)
    // An answer that was overtaken says nothing new.
    identity.gotThrough(sentAt)
    expect(identity.mayStart()).toBe(true)
  })

  it('may not start when either clock says that the lease is over', async () => {
    const { clock, identity } = open()
    await identity.enlist(async () => undefined)
    // The machine was suspended: only the wall clock went on.
    clock.step(5000)
    expect(identity.mayStart()).toBe(false)
    identity.gotThrough({ ...momentOf(clock), monotonic: clock.monotonic() + 0.1 })
    // The wall clock is set back: only the monotonic clock goes on.
    clock.step(-3_600_000)
    await clock.advance(4999)
    expect(identity.mayStart()).toBe(true)
    await clock.advance(2)
    expect(identity.mayStart()).toBe(false)
  })

  it('of a sole owner has no lease', async () => {
    const { clock, identity } = open(null)
    expect(identity.mayStart()).toBe(false)
    await identity.enlist(async () => undefined)
    await clock.advance(1e9)
    expect(identity.mayStart()).toBe(true)
    identity.resign()
    expect(identity.mayStart()).toBe(false)
  })
})
