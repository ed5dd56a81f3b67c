import { parentPort } from 'node:worker_threads'
import { countImmediates } from './event-loop.ts'
import { simulate } from './simulate.ts'
import { summaryOf } from './summary.ts'

countImmediates()

/** Simulates the seeds that it is sent, one after the other, and answers with what became of them. */
parentPort?.on('message', async (seeds: readonly number[]) => {
  for (const seed of seeds) parentPort?.postMessage(summaryOf(await simulate(seed)))
  parentPort?.postMessage('done')
})
