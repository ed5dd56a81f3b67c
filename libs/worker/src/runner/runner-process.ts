import type { Clock } from '@belfry/service'
import type { AttemptFacts } from '../context.ts'
import { InterruptedRun, JobFailure } from '../failure.ts'
import type { RunContext } from '../handler.ts'
import { createMemoryWatch } from './memory-watch.ts'
import { type ChildEnd, openChild } from './open-child.ts'
import type { FromChild, HandlerSource, OutputLimits, RawDescription, RunFailure } from './protocol.ts'
import { abortedFailure, deathOf, failureOf, outOfMemory, runFailure } from './run-failures.ts'

export interface RunnerProcessOptions {
  readonly clock: Clock
  readonly limits: OutputLimits
  /** Memory of one process, MiB. */
  readonly memoryMb: number
  /** How long a process that is asked to abort an attempt may be silent before it counts as blocked, milliseconds. */
  readonly blockedMs: number
  /** How long a file may take to load, milliseconds. */
  readonly loadMs: number
  /** The environment of the handlers. */
  readonly env: Readonly<Record<string, string>>
}

/** One attempt on its way through a process. */
export interface ProcessRun {
  readonly params: unknown
  readonly context: RunContext
  readonly settle: PromiseWithResolvers<unknown>
}

/** A process that runs attempts of one handler file. */
export interface RunnerProcess {
  /** Rejects with an `Error` for people when the file is no job type. */
  readonly loaded: Promise<RawDescription>
  /** Attempts at work. */
  readonly size: number
  /** It takes no new attempts: it is broken, or about to end. */
  readonly isClosed: boolean
  start(run: ProcessRun): void
  /** Ends the attempt by force, with its process. Others on the process are interrupted. */
  stop(context: RunContext): void
  /** Ends the process. What is still at work is interrupted. */
  end(): Promise<void>
}

interface AtWork extends ProcessRun {
  readonly onAbort: () => void
  isBegun: boolean
  /** The process has confirmed it. */
  isStarted: boolean
  isAbortSeen: boolean
}

const interruptedText = 'The process of the attempt was ended, and not because of this attempt.'

type RunMessage = Exclude<FromChild, { kind: 'loaded' | 'unusable' | 'broken' }>

/** `onChange` is called when the process may take another attempt, and when it has ended. */
export function openRunnerProcess(
  source: HandlerSource,
  options: RunnerProcessOptions,
  onChange: (isGone: boolean) => void,
): RunnerProcess {
  const { clock, limits, memoryMb, blockedMs, loadMs, env } = options
  // The largest messages are an artifact and all lines of a log; 1 MiB is for what goes with them.
  const mostMessageBytes = limits.artifactBytes + limits.logBytes + 1024 * 1024
  const child = openChild({ memoryMb, env, mostMessageBytes, onMessage: receive, onExit })
  const gone = Promise.withResolvers<void>()
  const loaded = Promise.withResolvers<RawDescription>()
  loaded.promise.catch(() => undefined)
  const runs = new Map<number, AtWork>()
  /** Attempts that have ended the process, or are ended with it for a reason of their own. */
  const verdicts = new Map<number, RunFailure>()
  let lastRun = 0
  let isClosed = false
  const memory = createMemoryWatch({
    ...{ child, clock, memoryMb },
    isNeeded: () => runs.size > 0 && !isClosed,
    onOver: () => endFor(null, outOfMemory(memoryMb)),
  })

  function end(): Promise<void> {
    isClosed = true
    child.kill()
    return gone.promise
  }

  /** Ends the process because of the attempt `run`; of several attempts, null when it is not known which one. */
  function endFor(run: number | null, failure: RunFailure): void {
    const only = runs.size === 1 ? (runs.keys().next().value ?? null) : null
    // In a process that had other attempts before, one that never started did nothing.
    const isInnocent = only !== null && lastRun > 1 && runs.get(only)?.isStarted === false
    const guilty = run ?? (isInnocent ? null : only)
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
    child.send({ kind: 'run', run, params: one.params, facts: factsOf(one.context) })
    one.context.begin()
    memory.start()
    if (run > 1) clock.callAfter(blockedMs, () => endIfLeftBlocked(one))
  }

  /** An earlier attempt has left something behind that blocks the process: this one need not wait for its time limit. */
  function endIfLeftBlocked(one: AtWork): void {
    const isOnly = runs.size === 1 && runs.values().next().value === one
    if (isOnly && !one.isStarted) endFor(null, runFailure('handler-blocked', 'The process of the handler was blocked.'))
  }

  function abort(run: number): void {
    const one = runs.get(run)
    if (one === undefined) return
    const { signal } = one.context
    if (!one.isBegun) {
      fail(run, abortedFailure(signal))
      return
    }
    const { code, message } = abortedFailure(signal)
    child.send({ kind: 'abort', run, code, message })
    clock.callAfter(blockedMs, () => {
      // A process that is blocked does not notice the end of the grace time either.
      const isBlocked = runs.has(run) && !one.isAbortSeen
      if (isBlocked) endFor(null, abortedFailure(signal, ' It blocked its process, which was ended.'))
    })
  }

  async function answer(call: number, asked: Promise<string | undefined>): Promise<void> {
    try {
      child.send({ kind: 'answer', call, value: await asked })
    } catch (error) {
      child.send({ kind: 'answer', call, error: error instanceof Error ? error.message : String(error) })
    }
  }

  function storeArtifact(
    { run, name, contentType, body }: Extract<FromChild, { kind: 'artifact' }>,
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
      case 'started':
        one.isStarted = true
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

  function read(message: FromChild): void {
    if (message.kind === 'loaded') loaded.resolve(message.description)
    else if (message.kind === 'unusable') loaded.reject(new Error(message.error))
    else if (message.kind === 'broken') endFor(message.run, message.failure)
    else {
      const one = runs.get(message.run)
      if (one !== undefined) receiveOf(message, one)
    }
  }

  /** Nothing makes a handler keep off the channel, so a message may be anything: it must not end the executor. */
  function receive(message: FromChild): void {
    try {
      read(message)
    } catch (error) {
      endFor(null, runFailure('handler-error', `The process sent what is no message: ${String(error)}`))
    }
  }

  function onExit(found: ChildEnd): void {
    if (!isClosed) endFor(null, deathOf(found, memoryMb))
    loaded.reject(new Error('cannot be loaded: its process has ended'))
    for (const run of [...runs.keys()]) {
      const verdict = verdicts.get(run)
      if (verdict) fail(run, verdict)
      else take(run)?.settle.reject(new InterruptedRun(interruptedText))
    }
    gone.resolve()
    onChange(true)
  }

  const notLoaded = runFailure('not-loaded', `does not load within ${loadMs} ms`)
  const loadTimer = clock.callAfter(loadMs, () => endFor(null, notLoaded))
  loaded.promise.then(
    () => loadTimer.cancel(),
    (error: Error) => {
      loadTimer.cancel()
      const failure = runFailure('handler-not-loaded', `The handler file ${error.message}`)
      for (const run of runs.keys()) if (!verdicts.has(run)) verdicts.set(run, failure)
      void end()
    },
  )
  child.send({ kind: 'load', source, limits })

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
      runs.set(run, { ...one, onAbort, isBegun: false, isStarted: false, isAbortSeen: false })
      one.context.signal.addEventListener('abort', onAbort, { once: true })
      loaded.promise.then(
        () => begin(run),
        () => undefined,
      )
    },
    stop(context) {
      const found = [...runs].find(([, one]) => one.context === context)
      const how = ' It did not stop in time, and its process was ended.'
      if (found !== undefined) endFor(found[0], abortedFailure(context.signal, how))
    },
    end,
  }
}

/** A plain copy: a context has functions, which cannot be sent. */
function factsOf({ executionId, jobId, ownerId, epoch, fireAt, idempotencyKey }: RunContext): AttemptFacts {
  return { executionId, jobId, ownerId, epoch, fireAt, idempotencyKey }
}
