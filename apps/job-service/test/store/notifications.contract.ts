import { type RowId, shardOf, soleShare } from '@belfry/storage'
import { expect, it } from 'vitest'
import { claimed, redelivered } from '../../src/domain/delivery.ts'
import { newAlert, postponed, reported } from '../../src/domain/job-event.ts'
import type { Notification } from '../../src/domain/notification.ts'
import type { DueCursor, Stores } from '../../src/store/ports.ts'
import { monday } from '../fixtures.ts'
import { deliveryOf, eventOf, notificationOf } from '../notification-samples.ts'

/** What the stores of notifications promise. `sharesWork`: see the capabilities of the suite. */
export function describeNotifications(stores: () => Stores, newOwner: () => string, sharesWork: boolean): void {
  let made = 0
  const newId = (kind: string) => `${kind}-${Date.now().toString(36)}-${String(made++).padStart(5, '0')}`

  it('of a user are stored once, so many of each, and found by their owner alone', async () => {
    const { notifications } = stores()
    const [ownerId, other] = [newOwner(), newOwner()]
    const [first, second] = [1, 2].map((n) => notificationOf({ id: newId('ntf'), ownerId, createdAt: monday + n }))
    if (!first || !second) throw new Error('two are made')
    for (const one of [first, second, first]) expect(await notifications.create(one, 2)).toBe('stored')
    expect(await notifications.create(notificationOf({ id: newId('ntf'), ownerId }), 2)).toBe('too-many')
    expect(await notifications.listOfOwner(ownerId)).toEqual([first, second])
    expect(await notifications.find(ownerId, first.id)).toEqual(first)
    expect(await notifications.find(other, first.id)).toBeUndefined()
    expect(await notifications.remove(other, first.id)).toBe(false)
    expect(await notifications.remove(ownerId, first.id)).toBe(true)
    expect(await notifications.listOfOwner(ownerId)).toEqual([second])
    const seen: Notification[] = []
    for (let after: RowId | null = null; ; ) {
      const { rows, next }: Awaited<ReturnType<typeof notifications.listAll>> = await notifications.listAll(after, 1)
      seen.push(...rows)
      if (next === null) break
      after = next
    }
    expect(seen.filter((one) => one.ownerId === ownerId)).toEqual([second])
  })

  it('are changed while no other call has changed them', async () => {
    const { notifications } = stores()
    const before = notificationOf({ id: newId('ntf'), ownerId: newOwner() })
    await notifications.create(before, 10)
    const next = { ...before, name: 'other', enabled: false, rev: 2 }
    expect(await notifications.compareAndSet({ before, next })).toBe(true)
    expect(await notifications.compareAndSet({ before, next: { ...next, name: 'late' } })).toBe(false)
    expect(await notifications.find(before.ownerId, before.id)).toEqual(next)
  })

  it('have deliveries that are stored once, and listed newest first, page by page', async () => {
    const { deliveries } = stores()
    const [ownerId, notificationId] = [newOwner(), newId('ntf')]
    const all = [0, 1, 1, 2].map((ms) => deliveryOf(newId('dlv'), { ownerId, notificationId, createdAt: monday + ms }))
    expect(await deliveries.insertManyIfAbsent(all)).toEqual([true, true, true, true])
    expect(await deliveries.insertManyIfAbsent([deliveryOf(all[0]?.id ?? ''), ...all.slice(3)])).toEqual([false, false])
    const pages: string[] = []
    for (let after: { at: number; id: string } | null = null; ; ) {
      const page = await deliveries.listOfNotification(notificationId, { after, limit: 3 })
      pages.push(...page.map(({ id }) => id))
      const last = page.at(-1)
      if (page.length < 3 || !last) break
      after = { at: last.createdAt, id: last.id }
    }
    expect(pages).toEqual(all.map(({ id }) => id).toReversed())
    expect(await deliveries.find(ownerId, pages[0] ?? '')).toEqual(all[3])
    expect(await deliveries.find(newOwner(), pages[0] ?? '')).toBeUndefined()
  })

  it('have deliveries that are due by their time, once each, until they have ended', async () => {
    const { deliveries } = stores()
    const about = { ownerId: newOwner(), notificationId: newId('ntf') }
    // Before all that other tests have made.
    const rows = [3, 1, 2].map((ms) => deliveryOf(newId('dlv'), { ...about, nextAt: ms }))
    await deliveries.insertManyIfAbsent(rows)
    const due: string[] = []
    for (let after: DueCursor | null = null; ; ) {
      const page = await deliveries.listDue(2, 1, soleShare, after)
      due.push(...page.rows.map(({ id }) => id))
      after = page.next
      if (after === null) break
    }
    expect(due).toEqual([rows[1]?.id, rows[2]?.id])
    const [first] = (await deliveries.listDue(1, 10, soleShare)).rows
    if (!first) throw new Error('it is due')
    const next = claimed(first, 5)
    expect(await deliveries.compareAndSetMany([{ before: first, next }])).toEqual([true])
    expect(await deliveries.compareAndSetMany([{ before: first, next }])).toEqual([false])
    expect((await deliveries.listDue(1, 10, soleShare)).rows).toEqual([])
    const over = { ...next, status: 'delivered', nextAt: null, rev: next.rev + 1 } as const
    expect(await deliveries.compareAndSetMany([{ before: next, next: over }])).toEqual([true])
    expect((await deliveries.listDue(5, 10, soleShare)).rows.map(({ id }) => id)).not.toContain(first.id)
    const again = redelivered(over, 4)
    await deliveries.compareAndSetMany([{ before: over, next: again }])
    expect((await deliveries.listDue(5, 10, soleShare)).rows).toContainEqual(again)
    for (const one of (await deliveries.listDue(10, 10, soleShare)).rows)
      await deliveries.compareAndSetMany([{ before: one, next: { ...over, id: one.id, rev: one.rev + 1 } }])
  })

  it('have open deliveries of a user beyond a number, which are the oldest', async () => {
    const { deliveries } = stores()
    const ownerId = newOwner()
    const rows = [1, 2, 3, 4].map((ms) => deliveryOf(newId('dlv'), { ownerId, createdAt: ms, nextAt: monday * 2 }))
    const ended = deliveryOf(newId('dlv'), { ownerId, createdAt: 0, nextAt: null, status: 'delivered' })
    await deliveries.insertManyIfAbsent([...rows, ended])
    expect(await deliveries.listBeyond(ownerId, 4, 10)).toEqual([])
    const beyond = async (most: number, limit: number) =>
      (await deliveries.listBeyond(ownerId, most, limit)).toSorted((a, b) => a.createdAt - b.createdAt)
    expect(await beyond(2, 10)).toEqual(rows.slice(0, 2))
    expect(await beyond(1, 2)).toHaveLength(2)
  })

  it('have deliveries that go by their age', async () => {
    const { deliveries } = stores()
    const about = { ownerId: newOwner(), notificationId: newId('ntf') }
    const [old, young] = [-10, monday].map((createdAt) =>
      deliveryOf(newId('dlv'), { ...about, createdAt, nextAt: null }),
    )
    if (!old || !young) throw new Error('two are made')
    await deliveries.insertManyIfAbsent([old, young])
    await deliveries.purge(-5, 100)
    expect(await deliveries.listOfNotification(about.notificationId, { after: null, limit: 10 })).toEqual([young])
  })

  it('count mails, each change once, until the quota is back', async () => {
    const { mailCounts } = stores()
    const id = newId('user')
    expect(await mailCounts.find(id)).toBeUndefined()
    const fresh = { id, backAt: 0, rev: 0 }
    const first = await Promise.all(
      [-20, -19].map((backAt) => mailCounts.compareAndSet({ before: fresh, next: { id, backAt, rev: 1 } })),
    )
    expect(first.filter(Boolean)).toHaveLength(1)
    const stored = await mailCounts.find(id)
    expect(stored).toEqual({ id, backAt: first[0] ? -20 : -19, rev: 1 })
    const next = { id, backAt: -10, rev: 2 }
    expect(await mailCounts.compareAndSet({ before: stored!, next })).toBe(true)
    expect(await mailCounts.compareAndSet({ before: stored!, next: { ...next, backAt: 5 } })).toBe(false)
    await mailCounts.purge(-10, 10)
    expect(await mailCounts.find(id)).toEqual(next)
    expect(await mailCounts.purge(-9, 10)).toBe(false)
    expect(await mailCounts.find(id)).toBeUndefined()
  })

  it('report events once: an event that was reported is not stored again until it is purged', async () => {
    const { events } = stores()
    const event = eventOf(newId('exe'), { jobId: newId('job'), at: -7, dueAt: -7 })
    await events.insertManyIfAbsent([event])
    await events.insertManyIfAbsent([{ ...event, at: -6, dueAt: -6 }])
    expect((await events.listDue(-1, 10, soleShare)).rows).toEqual([event])
    const later = postponed(event, -3)
    expect(await events.compareAndSetMany([{ before: event, next: later }])).toEqual([true])
    expect(await events.compareAndSetMany([{ before: event, next: reported(event) }])).toEqual([false])
    expect((await events.listDue(-4, 10, soleShare)).rows).toEqual([])
    expect((await events.listDue(-3, 10, soleShare)).rows).toEqual([later])
    await events.compareAndSetMany([{ before: later, next: reported(later) }])
    await events.insertManyIfAbsent([event])
    expect((await events.listDue(-1, 10, soleShare)).rows).toEqual([])
    await events.purgeReported(-7, 10)
    await events.insertManyIfAbsent([event])
    expect((await events.listDue(-1, 10, soleShare)).rows).toEqual([])
    await events.purgeReported(-5, 10)
    await events.insertManyIfAbsent([event])
    expect((await events.listDue(-1, 10, soleShare)).rows).toEqual([event])
    await events.compareAndSetMany([{ before: event, next: reported(event) }])
  })

  it.runIf(sharesWork)('report events of a job by one instance, until they are overdue', async () => {
    const { events } = stores()
    const event = eventOf(newId('exe'), { jobId: newId('job'), at: -100, dueAt: -100 })
    await events.insertManyIfAbsent([event])
    const index = shardOf(event.jobId) % 2
    const seen = async (share: object) => (await events.listDue(-99, 10, { ...soleShare, instances: 2, ...share })).rows
    expect(await seen({ index, overdueAt: -200 })).toEqual([event])
    expect(await seen({ index: 1 - index, overdueAt: -200 })).toEqual([])
    expect(await seen({ index: 1 - index, overdueAt: -100 })).toEqual([event])
    await events.compareAndSetMany([{ before: event, next: reported(event) }])
  })

  it('know which jobs are failing, by one record of each job', async () => {
    const { alerts } = stores()
    const [a, b] = [newId('job'), newId('job')].map((jobId) => newAlert(jobId, monday))
    if (!a || !b) throw new Error('two are made')
    const failing = { executionId: 'exe-1', fireAt: monday }
    const first = { ...a, failing, rev: 1 }
    expect(await alerts.compareAndSet({ before: a, next: first })).toBe(true)
    expect(await alerts.compareAndSet({ before: a, next: first })).toBe(false)
    expect(await alerts.compareAndSet({ before: b, next: { ...b, failing, rev: 1 } })).toBe(true)
    expect(await alerts.find(a.jobId)).toEqual(first)
    const jobsOf = async (after: string | null, limit: number) => {
      const { rows, next } = await alerts.listFailing(after, limit)
      return { jobs: rows.map(({ jobId }) => jobId), next }
    }
    expect(await jobsOf(null, 1)).toEqual({ jobs: [a.jobId], next: a.jobId })
    expect((await jobsOf(a.jobId, 10)).jobs).toEqual([b.jobId])
    const quiet = { ...first, failing: null, updatedAt: 5, rev: 2 }
    expect(await alerts.compareAndSet({ before: first, next: quiet })).toBe(true)
    expect((await jobsOf(null, 10)).jobs).toEqual([b.jobId])
    await alerts.purge(6, 10)
    expect(await alerts.find(a.jobId)).toBeUndefined()
    expect(await alerts.find(b.jobId)).toMatchObject({ failing })
    await alerts.compareAndSet({ before: { ...b, rev: 1 }, next: { ...b, rev: 2 } })
  })
}
