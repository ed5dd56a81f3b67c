import type { Clock, Timer } from '@belfry/service'
import { InterruptedRun } from '../failure.ts'
import type { RunContext } from '../handler.ts'
import type { HandlerSource, RawDescription } from './protocol.ts'
import { openRunnerProcess, type ProcessRun, type RunnerProcess, type RunnerProcessOptions } from './runner-process.ts'

export interface RunnerPoolOptions extends RunnerProcessOptions {
  readonly clock: Clock
  /** Processs at a time. */
  readonly processes: number
  /** Attempts of an `io` job type that share a process. */
  readonly attemptsPerProcess: number
  /** How long a process stays that has nothing to do, milliseconds. */
  readonly idleMs: number
}

/** How attempts of a handler file may run. */
export interface RunRules {
  /** Attempts may share a process with others of the same file. */
  readonly isShared: boolean
  /** Attempts of the file at a time. */
  readonly concurrency: number
}

/** Runs attempts of handler files in processes. A process has attempts of one file only, and by default one attempt at a time. */
export interface RunnerPool {
  /** Loads the file in a process, which stays for its first attempt. Rejects with an `Error` for people. */
  load(source: HandlerSource): Promise<RawDescription>
  /** Resolves to the result. Rejects with a `JobFailure`, or an `InterruptedRun`. Waits while all processes are at work. */
  run(source: HandlerSource, rules: RunRules, params: unknown, context: RunContext): Promise<unknown>
  /** Ends an attempt by force. */
  stop(context: RunContext): void
  /** No attempt of the file will come any more: ends its processes when their attempts have ended. */
  retire(source: HandlerSource): void
  close(): Promise<void>
}

interface Waiting extends ProcessRun {
  readonly source: HandlerSource
  readonly rules: RunRules
}

interface Placed {
  readonly source: HandlerSource
  readonly process: RunnerProcess
  /** Its attempt shares it with no other. */
  isExclusive: boolean
  /** It was opened to see what its file is, and is not there for attempts yet. */
  isLoading: boolean
  idle: Timer | null
}

function add<K>(counts: Map<K, number>, key: K, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change
  if (count === 0) counts.delete(key)
  else counts.set(key, count)
}

/** From the start of one process to the next, milliseconds. */
const openEveryMs = 10
/** Executions that are remembered as interrupted, at most. */
const mostAlone = 10_000

export function createRunnerPool(options: RunnerPoolOptions): RunnerPool {
  const { clock, processes: mostProcesses, attemptsPerProcess, idleMs } = options
  const processes = new Set<Placed>()
  const retired = new WeakSet<HandlerSource>()
  /** Where each attempt at work is. */
  const places = new Map<RunContext, Placed>()
  /** Attempts at work, by owner and by file. */
  const ofOwner = new Map<string, number>()
  const ofSource = new Map<HandlerSource, number>()
  const waiting = new Set<Waiting>()
  /** Executions whose process was ended because of an attempt on it; which one is found out by running each alone. */
  const alone = new Set<string>()
  /** Set for a moment after a process was started. */
  let opened: Timer | null = null
  let isClosed = false

  function open(source: HandlerSource): Placed {
    const process = openRunnerProcess(source, options, (isGone) => {
      if (isGone) processes.delete(one)
      else restIfIdle(one)
      pump()
    })
    const one: Placed = { source, process, isExclusive: false, isLoading: false, idle: null }
    processes.add(one)
    return one
  }

  /** One at a time: starting a process holds up the event loop for some milliseconds. */
  function openInTurn(source: HandlerSource): Placed | undefined {
    if (opened !== null) return undefined
    opened = clock.callAfter(openEveryMs, () => {
      opened = null
      pump()
    })
    return open(source)
  }

  function restIfIdle(one: Placed): void {
    if (one.process.size > 0 || one.process.isClosed) return
    one.isExclusive = false
    one.idle?.cancel()
    if (retired.has(one.source) || isClosed) void one.process.end()
    else one.idle = clock.callAfter(idleMs, () => void one.process.end())
  }

  const isOpen = ({ process }: Placed) => !process.isClosed
  const isIdle = (one: Placed) => isOpen(one) && one.process.size === 0 && !one.isLoading
  const mayShare = ({ rules, context }: Waiting) => rules.isShared && !alone.has(context.executionId)

  /** A process that can take the attempt now: one of its file with room, a new one, or none. */
  function placeFor(run: Waiting): Placed | undefined {
    const ofFile = [...processes].filter((one) => one.source === run.source && isOpen(one))
    const idle = ofFile.find(isIdle)
    if (mayShare(run)) {
      const withRoom = ofFile.filter((one) => !one.isExclusive && one.process.size < attemptsPerProcess)
      const emptiest = withRoom.sort((a, b) => a.process.size - b.process.size)[0]
      if (emptiest !== undefined) return emptiest
    } else if (idle !== undefined) return idle
    if (processes.size < mostProcesses) return openInTurn(run.source)
    // Its place is free once it has ended.
    const other = [...processes].find(isIdle)
    if (other !== undefined) {
      other.idle?.cancel()
      void other.process.end()
    }
    return undefined
  }

  /** Attempts that may start by the limits of their files, those of owners with the fewest at work first. */
  function inTurn(): Waiting[] {
    const mayStart = [...waiting].filter(({ source, rules }) => (ofSource.get(source) ?? 0) < rules.concurrency)
    const atWork = ({ context }: Waiting) => ofOwner.get(context.ownerId) ?? 0
    return mayStart.sort((one, other) => atWork(one) - atWork(other))
  }

  /** Starts what can start. Each start changes whose turn is next. */
  function pump(): void {
    while (!isClosed && waiting.size > 0) {
      const next = startNext()
      if (!next) return
    }
  }

  function startNext(): boolean {
    for (const run of inTurn()) {
      const place = placeFor(run)
      if (place === undefined) continue
      waiting.delete(run)
      begin(run, place)
      return true
    }
    return false
  }

  function begin(run: Waiting, place: Placed): void {
    const { context, settle } = run
    place.idle?.cancel()
    place.isExclusive = !mayShare(run)
    alone.delete(context.executionId)
    places.set(context, place)
    add(ofOwner, context.ownerId, 1)
    add(ofSource, run.source, 1)
    const leave = (error?: unknown) => {
      if (error instanceof InterruptedRun && run.rules.isShared) remember(context.executionId)
      places.delete(context)
      add(ofOwner, context.ownerId, -1)
      add(ofSource, run.source, -1)
      pump()
    }
    settle.promise.then(() => leave(), leave)
    place.process.start(run)
  }

  function remember(executionId: string): void {
    if (alone.size >= mostAlone) alone.clear()
    alone.add(executionId)
  }

  return {
    async load(source) {
      if (isClosed) throw new Error('is not loaded: the executor is stopping')
      const one = open(source)
      one.isLoading = true
      const description = await one.process.loaded
      one.isLoading = false
      if (processes.size > mostProcesses) void one.process.end()
      else restIfIdle(one)
      return description
    },
    run(source, rules, params, context) {
      const run = { source, rules, params, context, settle: Promise.withResolvers<unknown>() }
      const { signal } = context
      const withdraw = () => {
        if (waiting.delete(run)) run.settle.reject(signal.reason)
      }
      waiting.add(run)
      signal.addEventListener('abort', withdraw, { once: true })
      pump()
      return run.settle.promise.finally(() => signal.removeEventListener('abort', withdraw))
    },
    stop: (context) => places.get(context)?.process.stop(context),
    retire(source) {
      retired.add(source)
      for (const one of processes) if (one.source === source) restIfIdle(one)
    },
    async close() {
      isClosed = true
      opened?.cancel()
      for (const run of waiting) run.settle.reject(new InterruptedRun('The executor is stopping.'))
      waiting.clear()
      await Promise.all([...processes].map(({ process }) => process.end()))
    },
  }
}
