import { parentPort } from 'node:worker_threads'
import { countImmediates } from './event-loop.ts'
import { collectErrors, runSeed, type SeedOptions } from './run-seed.ts'

/** Simulates the seeds that this thread is sent, one after the other, and answers with what became of each. */
export function serveSeeds(optionsOf: (seed: number) => SeedOptions = () => ({})): void {
  countImmediates()
  collectErrors()
  // Thousands of calls fail in a world, and no failure needs to say where: a replay does.
  Error.stackTraceLimit = 0
  parentPort?.on('message', async (seeds: readonly number[]) => {
    for (const seed of seeds) parentPort?.postMessage(await runSeed(seed, optionsOf(seed)))
    parentPort?.postMessage('done')
  })
}
