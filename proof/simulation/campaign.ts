import { availableParallelism } from 'node:os'
import { createSeedThread } from './seed-thread.ts'
import type { Summary } from './summary.ts'

export interface CampaignOptions {
  readonly from: number
  readonly seeds: number
  /** Threads; one for each core when left out. */
  readonly workers?: number
  /** The module that a thread runs. */
  readonly module?: URL
  /** How long a thread may be silent until its seed counts as stuck, milliseconds. */
  readonly silentMs?: number
  /** Called after each seed. */
  readonly onSummary?: (summary: Summary, done: number) => void
}

export interface CampaignResult {
  readonly seeds: number
  /** Of all seeds together. */
  readonly counts: ReadonlyMap<string, number>
  /** Simulated time, milliseconds. */
  readonly simulatedMs: number
  readonly failed: readonly Summary[]
}

/** Seeds that a thread is given at a time. */
const seedsAtATime = 10
/** Failed seeds that are reported in full. */
const mostFailed = 20
/** A seed takes some 100 ms; a machine that does other things may take a thousand times as long. */
const usualSilentMs = 300_000

/** Simulates many seeds, dealt out to threads. A seed that breaks its thread is a failed one, and the others go on. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { from, seeds, workers, onSummary, silentMs = usualSilentMs } = options
  const module = options.module ?? new URL('./worker.ts', import.meta.url)
  const counts = new Map<string, number>()
  const failed: Summary[] = []
  let next = from
  let done = 0
  let simulatedMs = 0

  function take(summary: Summary): void {
    done += 1
    simulatedMs += summary.lastedMs
    for (const [name, count] of summary.counts) counts.set(name, (counts.get(name) ?? 0) + count)
    if (summary.violations.length > 0) failed.push(failed.length < mostFailed ? summary : { ...summary, timeline: [] })
    onSummary?.(summary, done)
  }

  function deal(): number[] {
    const count = Math.max(0, Math.min(seedsAtATime, from + seeds - next))
    const dealt = Array.from({ length: count }, (_, index) => next + index)
    next += count
    return dealt
  }

  async function runThread(): Promise<void> {
    const thread = createSeedThread({ module, silentMs, take })
    for (let dealt = deal(); dealt.length > 0; dealt = deal()) await thread.run(dealt)
    await thread.stop()
  }

  const count = Math.min(workers ?? availableParallelism(), Math.ceil(seeds / seedsAtATime))
  await Promise.all(Array.from({ length: count }, runThread))
  return { seeds: done, counts, simulatedMs, failed: failed.sort((a, b) => a.seed - b.seed) }
}
