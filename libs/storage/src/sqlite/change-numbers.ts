import type { Database } from './port.ts'

/**
 * The change numbers of one table (contracts, `changesQuery`). The file belongs to this process, and the thread works calls off in
 * the order in which they were sent; so the numbers are counted here, and a write brings its number with it. That costs an index
 * entry at most, where a number that SQL computes costs two searches more for each row (decision 029).
 */
export interface ChangeNumbers {
  /** To be awaited before `take` and `head` unless it is undefined, as it is from the second time on. */
  opened(): Promise<void> | undefined
  /** The next number, for a write that is sent before the caller awaits anything. */
  take(): number
  /** The write of this number has changed its record. */
  wrote(changeNo: number): void
  /** The newest number that is stored. A number whose write changed nothing is not: it is handed out again after a restart. */
  head(): number
}

/** `newest`: a SELECT of the newest number in the table; null when it is empty. */
export function createChangeNumbers(db: Database, newest: string): ChangeNumbers {
  const statement = db.statement(newest)
  let opening: Promise<void> | undefined
  let isOpen = false
  let last = 0
  let head = 0

  async function open(): Promise<void> {
    try {
      const [row] = await db.read(statement, [])
      last = head = Number(row?.[0] ?? 0)
      isOpen = true
    } finally {
      opening = undefined
    }
  }

  return {
    opened() {
      if (isOpen) return undefined
      opening ??= open()
      return opening
    },
    take() {
      last += 1
      return last
    },
    wrote(changeNo) {
      head = Math.max(head, changeNo)
    },
    head: () => head,
  }
}
