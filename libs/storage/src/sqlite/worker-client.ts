import { StorageError } from '../errors.ts'
import type { WorkerAnswer, WorkerCall, WorkerDrain, WorkerStatement, WorkerTurn } from './worker-protocol.ts'

/** Work of the thread since its start, for metrics and benchmarks. */
export interface StoreCounters {
  /** Answers of the thread; each answers one or more turns together. */
  drains: number
  /** Turns of the event loop that sent a message. */
  turns: number
  /** Statements run, counted once per row of parameters. */
  rows: number
  /** Transactions committed, and the time spent in COMMIT (mostly fsync), milliseconds. */
  commits: number
  commitMs: number
  /** Calls that were answered with an error. */
  failures: number
  /** Rows that wait for an answer now, and bytes of their parameters. */
  waitingRows: number
  waitingBytes: number
}

/** The main loop's client of the store thread. */
export interface WorkerClient {
  readonly counters: StoreCounters
  /** The payload of the answer; rejects with a `StorageError`. `rows` and `bytes` are what the call counts for. */
  ask<T>(call: WorkerCall, rows: number, bytes: number): Promise<T>
  /** Announces a statement to the thread, at the latest with the next call. */
  introduce(statement: WorkerStatement): void
  /** Resolves the calls of one drain. */
  onAnswers(drain: WorkerDrain): void
  /** The thread is gone: every call that waits, and every later call, rejects with `error`. */
  end(error: StorageError): void
}

interface Waiting {
  readonly file: number
  readonly rows: number
  readonly bytes: number
  resolve(payload: unknown): void
  reject(error: StorageError): void
}

/** The calls of one turn of the event loop. */
interface Turn {
  rows: number
  readonly statements: WorkerStatement[]
  readonly calls: WorkerCall[]
  readonly waiting: Waiting[]
}

const emptyTurn = (): Turn => ({ rows: 0, statements: [], calls: [], waiting: [] })

/** Bounds of what waits for the thread. A call is accepted whatever its size when nothing waits. */
interface WorkerClientLimits {
  readonly rows: number
  readonly bytes: number
}

/** Callers that go on in one iteration of the event loop. */
const answersPerTurn = 32

/** Sends the calls of each turn in one `post`, and resolves each with its answer; the thread answers in order. */
export function createWorkerClient(post: (turn: WorkerTurn) => void, limits: WorkerClientLimits): WorkerClient {
  const waits = { waitingRows: 0, waitingBytes: 0 }
  const counters = { drains: 0, turns: 0, rows: 0, commits: 0, commitMs: 0, failures: 0, ...waits }
  const sent: Waiting[][] = []
  /** Answers whose callers go on in a later iteration of the event loop, by file. */
  const answered = new Map<number, (readonly [Waiting, WorkerAnswer])[]>()
  let isAnswering = false
  let turn = emptyTurn()
  let ended: StorageError | null = null

  function send(): void {
    if (ended) return
    const { rows, statements, calls, waiting } = turn
    turn = emptyTurn()
    counters.turns += 1
    sent.push(waiting)
    post([rows, statements, calls])
  }

  function refusal(rows: number, bytes: number): StorageError | null {
    if (ended) return ended
    const { waitingRows, waitingBytes } = counters
    if (waitingRows + rows > limits.rows) {
      return new StorageError('overloaded', `${waitingRows} rows wait for the store thread, at most ${limits.rows} may`)
    }
    if (waitingBytes === 0 || waitingBytes + bytes <= limits.bytes) return null
    return new StorageError(
      'overloaded',
      `${waitingBytes} bytes wait for the store thread, at most ${limits.bytes} may`,
    )
  }

  function answer({ resolve, reject }: Waiting, [code, payload]: WorkerAnswer): void {
    if (code === 'ok') {
      resolve(payload)
      return
    }
    counters.failures += 1
    reject(new StorageError(code, payload))
  }

  /** One of each file in turn: the files are those of the services, and a service with hundreds of callers holds up no other one. */
  function takeAnswers(): (readonly [Waiting, WorkerAnswer])[] {
    const some = []
    while (some.length < answersPerTurn && answered.size > 0) {
      for (const [file, list] of answered) {
        const first = list.shift()
        if (first) some.push(first)
        if (list.length === 0) answered.delete(file)
      }
    }
    return some
  }

  /** In slices: hundreds of callers that go on together would hold up due timers. */
  function answerSome(): void {
    const some = takeAnswers()
    isAnswering = answered.size > 0
    if (isAnswering) setImmediate(answerSome)
    for (const [waiting, one] of some) answer(waiting, one)
  }

  return {
    counters,
    ask<T>(call: WorkerCall, rows: number, bytes: number) {
      const refused = refusal(rows, bytes)
      if (refused) return Promise.reject(refused)
      // Sent after all callbacks of this turn of the event loop.
      if (turn.calls.length === 0) setImmediate(send)
      counters.waitingRows += rows
      counters.waitingBytes += bytes
      turn.rows += rows
      turn.calls.push(call)
      return new Promise<T>((resolve, reject) => {
        turn.waiting.push({ file: call[1], rows, bytes, resolve: resolve as Waiting['resolve'], reject })
      })
    },
    introduce: (statement) => void turn.statements.push(statement),
    onAnswers([turns, commits, commitMs, answers]) {
      counters.drains += 1
      counters.commits += commits
      counters.commitMs += commitMs
      for (const [index, waiting] of sent.splice(0, turns).flat().entries()) {
        counters.waitingRows -= waiting.rows
        counters.waitingBytes -= waiting.bytes
        counters.rows += waiting.rows
        const list = answered.get(waiting.file)
        const one = [waiting, answers[index] as WorkerAnswer] as const
        if (list) list.push(one)
        else answered.set(waiting.file, [one])
      }
      if (!isAnswering) answerSome()
    },
    end(error) {
      ended = error
      for (const { reject } of [...sent.splice(0).flat(), ...turn.waiting]) reject(error)
      turn = emptyTurn()
      counters.waitingRows = 0
      counters.waitingBytes = 0
    },
  }
}
