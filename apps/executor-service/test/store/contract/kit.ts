import { isRefusal, type Refusal } from '@belfry/contracts'
import { expect } from 'vitest'
import type { Execution } from '../../../src/executions/execution.ts'
import { readResult } from '../../../src/executions/outcome.ts'
import { claim, finish } from '../../../src/executions/transitions.ts'
import type { RowId, Step, Stored, Stores } from '../../../src/store/ports.ts'
import { start } from '../../samples.ts'

export const at = start + 2000

export function taken<T extends object>(answer: T | Refusal): T {
  if (isRefusal(answer)) throw new Error(answer.detail)
  return answer
}
export const page = (rows: number, bytes = 1e6) => ({ rows, bytes })
export const idsOf = (stored: readonly Stored[]) => stored.map((one) => one.execution.id).toSorted()
export const byJob = <T extends { readonly jobId: string }>(some: readonly T[]) =>
  some.toSorted((one, other) => (one.jobId < other.jobId ? -1 : 1))
export const inOrderOf = (stored: readonly Stored[], some: readonly Stored[]) =>
  stored.map(({ rowId }) => some.find((one) => one.rowId === rowId)!)

/** The rows of all pages. */
export async function all<Row, Cursor = RowId>(
  read: (after: Cursor | null) => Promise<{ rows: readonly Row[]; next: Cursor | null }>,
): Promise<Row[]> {
  const rows: Row[] = []
  let after: Cursor | null = null
  do {
    const found: { rows: readonly Row[]; next: Cursor | null } = await read(after)
    rows.push(...found.rows)
    after = found.next
  } while (after !== null)
  return rows
}
export const claimed = (from: Execution, owner = 'one') => taken(claim(from, { owner }))
export const finished = (from: Execution, outcome = readResult('done')) =>
  taken(finish(from, { epoch: from.epoch, at, startedAt: at - 5, outcome, artifacts: [], random: 0 }))

/** The stores of the test at work, and short ways to change them. */
export interface StoreKit {
  stores(): Stores
  /** Stores executions that are not there yet. */
  put(...executions: Execution[]): Promise<Stored[]>
  /** Changes a record, and answers it as it is then. */
  swap(stored: Stored, to: Execution, step?: Step, when?: number): Promise<Stored>
  reread(stored: Stored): Promise<Execution>
}

export function createStoreKit(stores: () => Stores): StoreKit {
  async function put(...executions: Execution[]): Promise<Stored[]> {
    const stored = await stores().executions.insertMany(executions, start)
    return stored.map((one) => {
      if (one === undefined) throw new Error('it was there already')
      return one
    })
  }
  async function swap(stored: Stored, to: Execution, step: Step = 'claim', when = at): Promise<Stored> {
    const [isChanged] = await stores().executions.compareAndSetMany(
      step,
      [{ rowId: stored.rowId, from: stored.execution, to }],
      when,
    )
    expect(isChanged).toBe(true)
    return { ...stored, execution: to }
  }
  async function reread(stored: Stored): Promise<Execution> {
    const [found] = await stores().executions.read([stored.rowId])
    if (found === undefined) throw new Error('it is gone')
    return found.execution
  }

  return { stores, put, swap, reread }
}
