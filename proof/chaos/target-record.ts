import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { readRecordFile } from './record.ts'

/** A call that has reached the target; `at` in epoch milliseconds, before anything else. */
interface CallEntry {
  readonly kind: 'call'
  /** From 0, in the order in which they came; the answer's body names it. */
  readonly call: number
  readonly at: number
  /** Of the request of the load. */
  readonly name: string
  /** Idempotency key: the execution's id. */
  readonly key: string
  readonly jobId: string
  readonly epoch: number
  readonly fireAt: number
}

interface AnswerEntry {
  readonly kind: 'answer'
  readonly call: number
  readonly at: number
  readonly status: number
  /** The caller had gone. */
  readonly isClosed: boolean
}

export type TargetEntry = CallEntry | AnswerEntry

/** A call with its answer; null while it is not answered. */
export interface Call extends Omit<CallEntry, 'kind'> {
  readonly answeredAt: number | null
  readonly status: number | null
}

/** The target in a process of its own, which no fault hits. */
export interface TargetProcess {
  readonly url: string
  /** Every call so far, in the order in which they came. */
  calls(): Promise<Call[]>
  stop(): Promise<void>
}

function joinEntries(entries: readonly TargetEntry[]): Call[] {
  const answers = new Map(entries.flatMap((one) => (one.kind === 'answer' ? [[one.call, one] as const] : [])))
  return entries.flatMap((one) => {
    if (one.kind === 'answer') return []
    const { kind, ...call } = one
    const answer = answers.get(one.call)
    return [{ ...call, answeredAt: answer?.at ?? null, status: answer?.status ?? null }]
  })
}

/** `file`: where it writes its record. */
export async function startTarget(file: string): Promise<TargetProcess> {
  const child: ChildProcess = spawn(process.execPath, [join(import.meta.dirname, 'target-process.ts'), file], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  if (!child.stdout) throw new Error('the target has no output')
  const lines = createInterface(child.stdout)
  const [url] = await Promise.race([once(lines, 'line'), exited.then(() => [])])
  if (typeof url !== 'string') throw new Error('the target ended before it listened')
  return {
    url,
    calls: async () => joinEntries(await readRecordFile<TargetEntry>(file)),
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}
