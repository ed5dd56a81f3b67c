import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Clock } from '@belfry/service'
import type { AttemptFacts } from '../context.ts'
import { InterruptedRun, JobFailure } from '../failure.ts'
import type { RunContext } from '../handler.ts'
import type { FromThread, HandlerSource, OutputLimits, RawDescription, RunFailure, ToThread } from './protocol.ts'

export interface RunnerThreadOptions {
  readonly clock: Clock
  readonly limits: OutputLimits
  /** Memory of one thread, MiB. */
  readonly memoryMb: number
  /** How long a thread that is asked to abort an attempt may be silent before it counts as blocked, milliseconds. */
  readonly blockedMs: number
  /** How long a file may take to load, milliseconds. */
  readonly loadMs: number
  /** The environment of the handlers. */
  readonly env: Readonly<Record<string, string>>
}

/** One attempt on its way through a thread. */
export interface ThreadRun {
  readonly params: unknown
  readonly context: RunContext
  readonly settle: PromiseWithResolvers<unknown>
}

/** A thread that runs attempts of one handler file. */
export interface RunnerThread {
  /** Rejects with an `Error` for people when the file is no job type. */
  readonly loaded: Promise<RawDescription>
  /** Attempts at work. */
  readonly size: number
  /** It takes no new attempts: it is broken, or about to end. */
  readonly isClosed: boolean
  start(run: ThreadRun): void
  /** Ends the attempt by force, with its thread. Others on the thread are interrupted. */
  stop(context: RunContext): void
  /** Ends the thread. What is still at work is interrupted. */
  end(): Promise<void>
}

const mib = 1024 * 1024
/** From one look at the memory outside of the heap to the next, milliseconds. */
const memoryCheckMs = 100
const file = new URL('./thread.ts', import.meta.url)

interface AtWork extends ThreadRun {
  readonly onAbort: () => void
  isBegun: boolean
  isAbortSeen: boolean
}

const interruptedText = 'The thread of the attempt was ended, and not because of this attempt.'

type RunMessage = Exclude<FromThread, { kind: 'loaded' | 'unusable' | 'broken' }>

/** `onChange` is called when the thread may take another attempt, and when it has ended. */
export function openRunnerThread(
  source: HandlerSource,
  options: RunnerThreadOptions,
  onChange: (isGone: boolean) => void,
): RunnerThread {
  const { clock, limits, memoryMb, blockedMs, loadMs, env } = options
  const { port1: port, port2 } = new MessageChannel()
  const worker = new Worker(file, {
    workerData: { source, limits, port: port2 },
    transferList: [port2],
    resourceLimits: { maxOldGenerationSizeMb: memoryMb, maxYoungGenerationSizeMb: Math.min(48, memoryMb) },
    env,
    execArgv: ['--disable-warning=ExperimentalWarning', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'],
    // What gets past the thread's own redirection must not reach the log of the process.
    stdout: true,
    stderr: true,
  })
  worker.stdout.resume()
  worker.stderr.resume()
  const loaded = Promise.withResolvers<RawDescription>()
  loaded.promise.catch(() => undefined)
  const runs = new Map<number, AtWork>()
  /** Attempts that have ended the thread, or are ended with it for a reason of their own. */
  const verdicts = new Map<number, RunFailure>()
  let lastRun = 0
  let isClosed = false
  let isWatching = false
  let ending: Promise<void> | null = null

  const send = (message: ToThread) => port.postMessage(message)

  function end(): Promise<void> {
    isClosed = true
    ending ??= worker.terminate().then(() => undefined)
    return ending
  }

  /** Ends the thread because of the attempt `run`; of several attempts, null when it is not known which one. */
  function endFor(run: number | null, failure: RunFailure): void {
    const only = runs.size === 1 ? (runs.keys().next().value ?? null) : null
    const guilty = run ?? only
    if (guilty !== null && !verdicts.has(guilty)) verdicts.set(guilty, failure)
    loaded.reject(new Error(failure.message))
    void end()
  }

  function take(run: number): AtWork | undefined {
    const one = runs.get(run)
    runs.delete(run)
    one?.context.signal.removeEventListener('abort', one.onAbort)
    return one
  }

  function fail(run: number, { code, message, retry }: RunFailure): void {
    take(run)?.settle.reject(new JobFailure(code, message, retry))
    onChange(false)
  }

  /** The file is loaded: the work begins, and its time limit counts from here. */
  function begin(run: number): void {
    const one = runs.get(run)
    if (one === undefined) return
    one.isBegun = true
    send({ kind: 'run', run, params: one.params, facts: factsOf(one.context) })
    one.context.begin()
    if (!isWatching) memoryLater()
  }

  function abort(run: number): void {
    const one = runs.get(run)
    if (one === undefined) return
    const { code, message } = one.context.signal.reason as JobFailure
    if (!one.isBegun) {
      fail(run, { code, message, retry: 'policy' })
      return
    }
    send({ kind: 'abort', run, code, message })
    clock.callAfter(blockedMs, () => {
      if (!runs.has(run) || one.isAbortSeen) return
      // A thread that is blocked does not notice the end of the grace time either.
      endFor(null, { code, message: `${message} It blocked its thread, which was ended.`, retry: 'policy' })
    })
  }

  async function answer(call: number, asked: Promise<string | undefined>): Promise<void> {
    try {
      send({ kind: 'answer', call, value: await asked })
    } catch (error) {
      send({ kind: 'answer', call, error: error instanceof Error ? error.message : String(error) })
    }
  }

  /** V8 bounds the heap of the thread, but not the bytes outside of it (buffers). Goes on while an attempt is at work. */
  async function watchMemory(): Promise<void> {
    const used = await worker.getHeapStatistics().then(
      (found) => found.external_memory,
      () => 0,
    )
    if (used > memoryMb * mib) endFor(null, outOfMemory(memoryMb))
    isWatching = false
    if (runs.size > 0 && !isClosed) memoryLater()
  }

  function memoryLater(): void {
    isWatching = true
    clock.callAfter(memoryCheckMs, () => void watchMemory())
  }

  function storeArtifact(
    { run, name, contentType, body }: Extract<FromThread, { kind: 'artifact' }>,
    one: AtWork,
  ): void {
    try {
      one.context.artifact(name, contentType, body)
    } catch (error) {
      fail(run, failureOf(error))
    }
  }

  function receiveOf(message: RunMessage, one: AtWork): void {
    const { run } = message
    switch (message.kind) {
      case 'lines':
        for (const [level, text] of message.lines) one.context.log(level, text)
        break
      case 'artifact':
        storeArtifact(message, one)
        break
      case 'checkpoint':
        void answer(
          message.call,
          one.context.checkpoint(message.state).then(() => undefined),
        )
        break
      case 'resume':
        void answer(message.call, one.context.resume())
        break
      case 'abort-seen':
        one.isAbortSeen = true
        break
      case 'succeeded':
        take(run)
        one.settle.resolve(JSON.parse(message.result))
        onChange(false)
        break
      case 'failed':
        fail(run, message.failure)
    }
  }

  function receive(message: FromThread): void {
    if (message.kind === 'loaded') loaded.resolve(message.description)
    else if (message.kind === 'unusable') loaded.reject(new Error(message.error))
    else if (message.kind === 'broken') endFor(message.run, message.failure)
    else {
      const one = runs.get(message.run)
      if (one !== undefined) receiveOf(message, one)
    }
  }

  function onExit(code: number): void {
    // What the thread sent before it exited.
    for (let last = receiveMessageOnPort(port); last; last = receiveMessageOnPort(port)) receive(last.message)
    port.close()
    const message = `The thread of the handler exited with code ${code}.`
    if (ending === null) endFor(null, { code: 'handler-exited', message, retry: 'policy' })
    loaded.reject(new Error(message))
    for (const run of [...runs.keys()]) {
      const verdict = verdicts.get(run)
      if (verdict) fail(run, verdict)
      else take(run)?.settle.reject(new InterruptedRun(interruptedText))
    }
    onChange(true)
  }

  const notLoaded = { code: 'not-loaded', message: `does not load within ${loadMs} ms`, retry: 'policy' } as const
  const loadTimer = clock.callAfter(loadMs, () => endFor(null, notLoaded))
  loaded.promise.then(
    () => loadTimer.cancel(),
    (error: Error) => {
      loadTimer.cancel()
      const failure = {
        code: 'handler-not-loaded',
        message: `The handler file ${error.message}`,
        retry: 'policy',
      } as const
      for (const run of runs.keys()) if (!verdicts.has(run)) verdicts.set(run, failure)
      void end()
    },
  )
  port.on('message', receive)
  worker.on('error', (error: unknown) => endFor(null, deathOf(error, memoryMb)))
  worker.on('exit', onExit)

  return {
    loaded: loaded.promise,
    get size() {
      return runs.size
    },
    get isClosed() {
      return isClosed
    },
    start(one) {
      lastRun += 1
      const run = lastRun
      const onAbort = () => abort(run)
      runs.set(run, { ...one, onAbort, isBegun: false, isAbortSeen: false })
      one.context.signal.addEventListener('abort', onAbort, { once: true })
      loaded.promise.then(
        () => begin(run),
        () => undefined,
      )
    },
    stop(context) {
      const found = [...runs].find(([, one]) => one.context === context)
      if (found === undefined) return
      const { code, message } = context.signal.reason as JobFailure
      endFor(found[0], {
        code,
        message: `${message} It did not stop in time, and its thread was ended.`,
        retry: 'policy',
      })
    },
    end,
  }
}

/** A plain copy: a context has functions, which cannot be sent. */
function factsOf({ executionId, jobId, ownerId, epoch, fireAt, idempotencyKey }: RunContext): AttemptFacts {
  return { executionId, jobId, ownerId, epoch, fireAt, idempotencyKey }
}

function failureOf(error: unknown): RunFailure {
  if (error instanceof JobFailure) return { code: error.code, message: error.message, retry: error.retry }
  return { code: 'handler-error', message: String(error), retry: 'policy' }
}

function outOfMemory(memoryMb: number): RunFailure {
  return { code: 'out-of-memory', message: `The handler used more than ${memoryMb} MiB of memory.`, retry: 'policy' }
}

function deathOf(error: unknown, memoryMb: number): RunFailure {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return outOfMemory(memoryMb)
  return { code: 'handler-error', message: `An error outside of the handler's promise: ${message}`, retry: 'policy' }
}
