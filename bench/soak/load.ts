import { setTimeout as wait } from 'node:timers/promises'
import type { Client } from '@belfry/client'
import { inParallel } from '../belfry.ts'

/** What a load has done so far. */
interface LoadCount {
  /** Calls that were answered as they should be. */
  done: number
  /** Calls that failed. */
  failed: number
  /** The first failure, as text. */
  firstFailure: string
  /** Calls that were left out because too many were under way. */
  leftOut: number
}

/** A load of four kinds of calls: of 40, 10 store one-shots, 27 trigger, 2 read a job and 1 reads a list. */
export interface Mix {
  readonly count: LoadCount
  /** The call with this index; never rejects. */
  call(index: number): Promise<void>
}

/** Jobs that the triggers of a load take in turn. */
const triggeredJobs = 100
/** One-shots are due within this many milliseconds, one second at least. */
const dueWithinMs = 4_000

/** Makes the jobs to trigger. `now` is the time as Belfry sees it, epoch milliseconds. */
export async function openMix(client: Client, now: () => number): Promise<Mix> {
  const work = { jobType: 'DUMMY', params: { durationMs: 0 } }
  const jobs = await Promise.all(Array.from({ length: triggeredJobs }, () => client.jobs.create(work)))
  const ids = jobs.map(({ id }) => id)
  const idOf = (index: number) => ids[index % ids.length] ?? ''
  const count: LoadCount = { done: 0, failed: 0, firstFailure: '', leftOut: 0 }

  async function firstPage(): Promise<void> {
    for await (const _ of client.executions.list({ limit: 20 })) return
  }

  function send(index: number): Promise<unknown> {
    const kind = index % 40
    if (kind < 10) {
      const runAt = new Date(now() + 1_000 + ((index * 7919) % dueWithinMs)).toISOString()
      return client.jobs.create({ ...work, runAt })
    }
    if (kind < 37) return client.jobs.trigger(idOf(index))
    return kind < 39 ? client.jobs.get(idOf(index)) : firstPage()
  }

  return {
    count,
    async call(index) {
      try {
        await send(index)
        count.done += 1
      } catch (error) {
        count.failed += 1
        count.firstFailure ||= String(error)
      }
    },
  }
}

/** Callers that each wait for their answer, for `seconds`; resolves to how many calls a second were answered. */
export async function runClosed(mix: Mix, callers: number, seconds: number): Promise<number> {
  const begun = performance.now()
  const before = mix.count.done
  const isOver = () => performance.now() - begun > seconds * 1000
  let index = 0
  await inParallel(callers, callers, async () => {
    while (!isOver()) await mix.call(index++)
  })
  return ((mix.count.done - before) / (performance.now() - begun)) * 1000
}

/** How many calls, at most how many a second, and how many at a time. */
export interface Bounds {
  readonly count: number
  readonly perSecond: number
  readonly callers: number
}

/** Callers that each wait for their answer, and never make more than so many calls a second. Resolves to how many seconds they took. */
export async function runBounded(mix: Mix, { count, perSecond, callers }: Bounds): Promise<number> {
  const begun = performance.now()
  const secondsSince = () => (performance.now() - begun) / 1000
  await inParallel(count, callers, async (index) => {
    const aheadMs = (index / perSecond - secondsSince()) * 1000
    if (aheadMs > 0) await wait(aheadMs)
    await mix.call(index)
  })
  return secondsSince()
}

/** From one turn of an even load to the next, milliseconds. */
const turnMs = 10
/** Calls under way at most: beyond them the load is not even any more, and calls are left out and counted. */
const mostUnderWay = 5_000

/** `perSecond` calls a second, evenly and whatever their answers take, for `seconds`. Resolves when the last is answered. */
export async function runEven(mix: Mix, perSecond: number, seconds: number, isStopped: () => boolean): Promise<void> {
  const begun = performance.now()
  let [sent, underWay] = [0, 0]
  for (;;) {
    const passedMs = performance.now() - begun
    if (passedMs >= seconds * 1000 || isStopped()) break
    for (const due = Math.floor((passedMs / 1000) * perSecond); sent < due; sent++) {
      if (underWay >= mostUnderWay) {
        mix.count.leftOut += 1
        continue
      }
      underWay += 1
      void mix.call(sent).finally(() => {
        underWay -= 1
      })
    }
    await wait(turnMs)
  }
  while (underWay > 0) await wait(turnMs)
}
