/**
 * Loaded into a Belfry (`--import`): writes how late the main thread's event loop comes, since the time before, to the file of
 * BENCH_LOOP_FILE every five seconds. Belfry itself does not measure it: the sampler wakes an idle process.
 */
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const file = process.env.BENCH_LOOP_FILE
const resolutionMs = 5
const everyMs = 5_000

if (isMainThread && file) {
  const delay = monitorEventLoopDelay({ resolution: resolutionMs })
  delay.enable()
  setInterval(() => {
    // The histogram counts from one turn of the sampler to the next, which are so long apart without any delay.
    const late = (ns: number) => Math.max(0, ns / 1e6 - resolutionMs)
    writeFileSync(file, JSON.stringify({ p99: late(delay.percentile(99)), most: late(delay.max) }))
    delay.reset()
  }, everyMs).unref()
}
