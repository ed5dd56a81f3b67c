import { createHash } from 'node:crypto'

/** One thing that happened in a world. */
interface Entry {
  /** Milliseconds since the world began. */
  readonly at: number
  /** The process, the store, or `world`. */
  readonly by: string
  readonly what: string
  /** The job or the execution that it is about; null for all. */
  readonly subject: string | null
  /** Made when it is read. */
  readonly detail: () => string
}

/** Everything that happened in a world, in its order. */
export interface History {
  add(by: string, what: string, subject?: string | null, detail?: () => string): void
  /** What is about a job, its executions, or all; one line each. */
  timelineOf(subjects: readonly string[]): string[]
  /** The same for the same history, and only for it. */
  hash(): string
  readonly length: number
}

const none = () => ''
const lineOf = ({ at, by, what, subject, detail }: Entry) =>
  `${at.toFixed(3).padStart(11)}  ${by.padEnd(12)} ${what}${subject === null ? '' : ` ${subject}`} ${detail()}`.trimEnd()

export function createHistory(now: () => number): History {
  const entries: Entry[] = []
  return {
    add: (by, what, subject = null, detail = none) => void entries.push({ at: now(), by, what, subject, detail }),
    timelineOf: (subjects) =>
      entries.filter(({ subject }) => subject === null || subjects.includes(subject)).map(lineOf),
    hash() {
      const hash = createHash('sha256')
      for (const entry of entries) hash.update(lineOf(entry)).update('\n')
      return hash.digest('hex').slice(0, 16)
    },
    get length() {
      return entries.length
    },
  }
}
