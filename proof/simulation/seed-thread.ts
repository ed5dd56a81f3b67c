import { Worker } from 'node:worker_threads'
import { brokenSummary } from './run-seed.ts'
import type { Summary } from './summary.ts'

export interface SeedThreadOptions {
  readonly module: URL
  /** How long the thread may be silent until its seed counts as stuck, milliseconds. */
  readonly silentMs: number
  readonly take: (summary: Summary) => void
}

/** A thread that simulates seeds, and another one in its place once a seed has broken it. */
export interface SeedThread {
  /** Resolves when each of the seeds has its summary. */
  run(seeds: readonly number[]): Promise<void>
  stop(): Promise<void>
}

/** Looks at a silent thread within `silentMs`: a process that stood still meanwhile is given the rest of the looks. */
const looks = 20

/** Runs the seeds on a thread; answers why the thread is of no use any more, undefined when all have been run. */
function runOn(worker: Worker, seeds: readonly number[], { silentMs, take }: SeedThreadOptions) {
  return new Promise<string | undefined>((resolve) => {
    let silentLooks = 0
    const look = setInterval(() => {
      silentLooks += 1
      if (silentLooks >= looks) end(`it had no result after ${silentMs} ms`)
    }, silentMs / looks)
    const onMessage = (message: Summary | 'done') => {
      silentLooks = 0
      if (message === 'done') end(undefined)
      else take(message)
    }
    const onError = (error: Error) => end(`it ended its thread: ${error.message}`)
    const onExit = (code: number) => end(`it ended its thread with code ${code}`)
    const end = (broken: string | undefined) => {
      clearInterval(look)
      worker.off('message', onMessage).off('error', onError).off('exit', onExit)
      resolve(broken)
    }
    worker.on('message', onMessage).on('error', onError).on('exit', onExit)
    worker.postMessage(seeds)
  })
}

export function createSeedThread(options: SeedThreadOptions): SeedThread {
  let worker = new Worker(options.module)
  return {
    async run(seeds) {
      let left = seeds
      const take = (summary: Summary) => {
        left = left.slice(1)
        options.take(summary)
      }
      while (left.length > 0) {
        const broken = await runOn(worker, left, { ...options, take })
        const [seed] = left
        if (broken === undefined) continue
        if (seed !== undefined) take(brokenSummary(seed, broken))
        await worker.terminate()
        worker = new Worker(options.module)
      }
    },
    stop: async () => void (await worker.terminate()),
  }
}
