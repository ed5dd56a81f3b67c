import type { PoisonMessage, PoisonStore, PublishedMark, RelaySource, Unpublished } from '../src/index.ts'
import { statusOf } from './messages.ts'

type Row = Unpublished<'job-status', number>

/** What each record takes up. */
export const rowBytes = 1000

/** Records of a store, each with its newest `seq` and its mark, as a relay's source. */
export function createRecords() {
  const newest = new Map<number, number>()
  const published = new Map<number, number>()
  const reads: number[] = []
  const marks: PublishedMark<number>[][] = []
  let failures = 0

  function failing(): void {
    if (failures-- > 0) throw new Error('the disk is full')
    failures = 0
  }
  const rowOf = (n: number): Row => {
    const seq = newest.get(n) ?? 0
    return { rowId: n, seq, key: `job-${n}`, size: rowBytes, value: statusOf(`job-${n}`, seq) }
  }
  const unpublished = () => [...newest].filter(([n, seq]) => seq > (published.get(n) ?? 0)).map(([n]) => n)

  const source: RelaySource<'job-status', number> = {
    async readUnpublished(limit, bytes) {
      failing()
      const fitting = Math.max(1, Math.floor(bytes / rowBytes))
      const page = unpublished().slice(0, Math.min(limit, fitting)).map(rowOf)
      reads.push(page.length)
      return { rows: page, hasMore: page.length < unpublished().length }
    },
    async markPublished(rows) {
      failing()
      marks.push([...rows])
      for (const { rowId, seq } of rows) published.set(rowId, Math.max(published.get(rowId) ?? 0, seq))
    },
  }

  return {
    source,
    reads,
    marks,
    unpublished,
    newest,
    published,
    /** Changes a record; what was committed, as it would be offered. */
    change(n: number): Row {
      newest.set(n, (newest.get(n) ?? 0) + 1)
      return rowOf(n)
    },
    /** Marks a record for publishing once more. */
    repeat(n: number): Row {
      published.set(n, (newest.get(n) ?? 0) - 1)
      return rowOf(n)
    },
    fail(count: number) {
      failures = count
    },
  }
}

/** Poison in memory; `failNext` lets the next call fail, once. */
export function createPoison() {
  const kept: PoisonMessage[] = []
  let isFailing = false
  const poison: PoisonStore = {
    async keep(messages) {
      const fails = isFailing
      isFailing = false
      if (fails) throw new Error('the disk is full')
      kept.push(...messages)
    },
  }
  return {
    poison,
    kept,
    failNext() {
      isFailing = true
    },
  }
}
