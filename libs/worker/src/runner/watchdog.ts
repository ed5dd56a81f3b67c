import { Worker } from 'node:worker_threads'

/** How often the parent is looked for, milliseconds. */
const checkMs = 1000

/**
 * A thread of its own that ends this process, and what it has started, when its parent is gone: a handler that blocks the
 * process would not notice, and would go on for ever.
 */
export function watchParent(): void {
  const code = `const parent = process.ppid
    setInterval(() => {
      if (process.ppid !== parent) process.kill(-process.pid, 'SIGKILL')
    }, ${checkMs})`
  const worker = new Worker(code, { eval: true, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 8 } })
  worker.unref()
}
