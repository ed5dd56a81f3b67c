import { expect, it, onTestFinished } from 'vitest'
import { type Caller, signUp } from '../../proof/caller.ts'
import { openOneProcess } from '../../proof/one-process.ts'
import { openEvents } from '../flows/event-reader.ts'

/** As on a database of several instances, whose change numbers may be stored out of their order for a while. */
const settleMs = 500

async function create(user: Caller): Promise<string> {
  return (await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY' })).body.id
}

it('a stream that begins again while changes are not settled shows each of them once, without a further change', async () => {
  const belfry = await openOneProcess({ BELFRY_JOB_EVENT_SETTLE_MS: String(settleMs) })
  onTestFinished(belfry.close)
  const user = await signUp(belfry.url)
  const isCreateOf = (jobId: string) => (one: { data: Record<string, unknown> }) =>
    one.data.jobId === jobId && one.data.change === 'create'

  const first = await openEvents(user, '/events')
  const seen = await create(user)
  await first.until(isCreateOf(seen))
  first.cut()
  const missed = await create(user)
  // The new stream is the only one, so its instance begins to read at the newest number, which is not settled.
  const second = await openEvents(user, '/events', first.lastId())
  onTestFinished(() => second.cut())
  await second.until(isCreateOf(missed))
  const shown = second.events.map(({ data }) => data.jobId).filter((id) => id === seen || id === missed)
  expect(shown).toEqual([missed])
})
