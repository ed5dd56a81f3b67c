import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Summary } from './summary.ts'

export interface CampaignOptions {
  readonly from: number
  readonly seeds: number
  /** Threads; one for each core when left out. */
  readonly workers?: number
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

/** Simulates many seeds, dealt out to threads. */
export async function runCampaign({ from, seeds, workers, onSummary }: CampaignOptions): Promise<CampaignResult> {
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

  const runWorker = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('./worker.ts', import.meta.url))
      const deal = () => {
        const count = Math.min(seedsAtATime, from + seeds - next)
        if (count <= 0) return void worker.terminate().then(() => resolve())
        worker.postMessage(Array.from({ length: count }, (_, index) => next + index))
        next += count
      }
      worker.on('message', (message: Summary | 'done') => (message === 'done' ? deal() : take(message)))
      worker.on('error', reject)
      deal()
    })

  const count = Math.min(workers ?? availableParallelism(), Math.ceil(seeds / seedsAtATime))
  await Promise.all(Array.from({ length: count }, runWorker))
  return { seeds: done, counts, simulatedMs, failed: failed.sort((a, b) => a.seed - b.seed) }
}
