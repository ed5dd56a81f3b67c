import { AsyncLocalStorage } from 'node:async_hooks'
import { flushCompileCache } from 'node:module'
import { Socket } from 'node:net'
import { type AttemptSink, createJobContext } from '../context.ts'
import { JobFailure } from '../failure.ts'
import type { Job } from '../job.ts'
import { runAttempt } from '../run.ts'
import { type ChildOutput, createChildOutput } from './attempt-output.ts'
import { redirectOutput } from './console.ts'
import { createFrameReader, toFrame } from './frames.ts'
import { describeJob, loadJob } from './load-job.ts'
import { installModuleHooks } from './module-hooks.ts'
import {
  type ChildSettings,
  channelFd,
  type FromChild,
  type OutputLimits,
  type RunFailure,
  type ToChild,
} from './protocol.ts'
import { watchParent } from './watchdog.ts'

/**
 * A runner process: loads one handler file, says what it found, and runs attempts of it. It knows nothing of the executor but
 * the messages of protocol.ts.
 */
const channel = new Socket({ fd: channelFd, readable: true, writable: true })
const exit = process.exit.bind(process)
const send = (message: FromChild) => void channel.write(toFrame(message))

interface Run {
  readonly run: number
  readonly controller: AbortController
  readonly output: ChildOutput
}

const runs = new Map<number, Run>()
const current = new AsyncLocalStorage<Run>()
const calls = new Map<number, PromiseWithResolvers<string | undefined>>()
let lastCall = 0

/** The attempt whose code is at work; where it is the only one in the process, it is that one. */
function runAtWork(): Run | undefined {
  return current.getStore() ?? (runs.size === 1 ? runs.values().next().value : undefined)
}

const longestMessage = 8192

function failureOf(thrown: unknown): RunFailure {
  try {
    if (thrown instanceof Error && thrown.name === 'JobFailure' && 'retry' in thrown) {
      const { code, message, retry } = thrown as JobFailure
      return { code: `${code}`, message: `${message}`.slice(0, longestMessage), retry }
    }
    const text = thrown instanceof Error ? thrown.message || thrown.name : String(thrown)
    return { code: 'handler-error', message: text.slice(0, longestMessage), retry: 'policy' }
  } catch {
    return { code: 'handler-error', message: 'The handler threw something that cannot be read.', retry: 'policy' }
  }
}

/** Asks the executor, and waits for its answer. */
function call(message: { kind: 'checkpoint'; run: number; state: string } | { kind: 'resume'; run: number }) {
  lastCall += 1
  const answer = Promise.withResolvers<string | undefined>()
  calls.set(lastCall, answer)
  send({ ...message, call: lastCall })
  return answer.promise
}

/** Node runs a timer that is longer than this at once, milliseconds. */
const longestTimerMs = 2 ** 31 - 1

const clock = {
  now: () => Date.now(),
  callAfter(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, Math.min(delayMs, longestTimerMs))
    return { cancel: () => clearTimeout(timer) }
  },
}

function sinkOf({ run, controller, output }: Run): AttemptSink {
  return {
    signal: controller.signal,
    clock,
    log: output.log,
    artifact: output.artifact,
    checkpoint: async (state) => void (await call({ kind: 'checkpoint', run, state })),
    resume: () => call({ kind: 'resume', run }),
  }
}

async function start(
  job: Job,
  limits: OutputLimits,
  { run, params, facts }: Extract<ToChild, { kind: 'run' }>,
): Promise<void> {
  const one: Run = { run, controller: new AbortController(), output: createChildOutput(run, limits, send) }
  runs.set(run, one)
  send({ kind: 'started', run })
  const { context, flush } = createJobContext(facts, sinkOf(one))
  const end = (message: FromChild) => {
    flush()
    one.output.flush()
    if (runs.delete(run)) send(message)
  }
  try {
    const result = await current.run(one, () => runAttempt(job, params, context))
    end({ kind: 'succeeded', run, result })
  } catch (thrown) {
    end({ kind: 'failed', run, failure: failureOf(thrown) })
  }
}

function receive(job: Job, limits: OutputLimits, message: ToChild): void {
  if (message.kind === 'run') void start(job, limits, message)
  else if (message.kind === 'abort') {
    send({ kind: 'abort-seen', run: message.run })
    const { code, message: text } = message
    runs.get(message.run)?.controller.abort(new JobFailure(code, text))
  } else if (message.kind === 'answer') {
    const waiting = calls.get(message.call)
    calls.delete(message.call)
    if (message.error === undefined) waiting?.resolve(message.value)
    else waiting?.reject(new JobFailure('checkpoint-not-stored', message.error))
  }
}

/** The process cannot be trusted any more: the executor ends it. */
function broken(failure: RunFailure): void {
  const run = runAtWork()
  run?.output.flush()
  send({ kind: 'broken', run: run?.run ?? null, failure })
}

function watchForErrors(): void {
  const outside = (thrown: unknown) => {
    const { code, message, retry } = failureOf(thrown)
    broken({ code, message: `An error outside of the handler's promise: ${message}`, retry })
  }
  process.on('uncaughtException', outside)
  process.on('unhandledRejection', outside)

  process.exit = ((code?: number) => {
    const message = `The handler called process.exit(${code ?? ''}).`
    broken({ code: 'handler-exited', message, retry: 'policy' })
    return exit(code)
  }) as typeof process.exit

  const abort = process.abort.bind(process)
  process.abort = () => {
    broken({ code: 'handler-exited', message: 'The handler called process.abort().', retry: 'policy' })
    return abort()
  }
}

async function load({ source, limits }: ChildSettings): Promise<void> {
  try {
    installModuleHooks(source)
    const job = await loadJob(source.url)
    const description = describeJob(job)
    take = (message) => receive(job, limits, message)
    send({ kind: 'loaded', description })
    // The process is killed in the end, so nothing would be stored then.
    flushCompileCache()
  } catch (thrown) {
    send({ kind: 'unusable', error: failureOf(thrown).message })
  }
}

// For this process only, not for those that a handler starts.
delete process.env.NODE_COMPILE_CACHE
watchParent()
// The executor is gone: with this process ends what its handler has started.
channel.on('close', () => process.kill(-process.pid, 'SIGKILL')).on('error', () => undefined)
redirectOutput((level, text) => runAtWork()?.output.log(level, text))
watchForErrors()
let take = (message: ToChild) => {
  if (message.kind === 'load') void load(message)
}
channel.on(
  'data',
  createFrameReader(Number.POSITIVE_INFINITY, (message) => take(message as ToChild)),
)
