import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type ExecutionState, executionStates } from '@belfry/contracts'

/** What a dead process left in its stores. */
export interface CrashState {
  /** By execution id. */
  readonly executions: ReadonlyMap<string, { readonly state: ExecutionState; readonly epoch: number }>
  /** Fire times without an execution, as ranges by job id. */
  readonly fireLog: readonly {
    readonly jobId: string
    readonly from: number
    readonly to: number
    readonly count: number
  }[]
}

/** Opens copies, so that the next process finds the files exactly as the last one left them. */
async function readCopy<T>(dataDir: string, file: string, read: (db: DatabaseSync) => T): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-crash-state-'))
  for (const name of [file, `${file}-wal`])
    await copyFile(join(dataDir, name), join(folder, name)).catch(() => undefined)
  const db = new DatabaseSync(join(folder, file))
  try {
    return read(db)
  } finally {
    db.close()
    await rm(folder, { recursive: true, force: true })
  }
}

export async function readCrashState(dataDir: string): Promise<CrashState> {
  const executions = await readCopy(dataDir, 'executor.db', (db) =>
    db
      .prepare('SELECT id, state, epoch FROM executions')
      .all()
      .map(({ id, state, epoch }) => {
        return [String(id), { state: executionStates[Number(state)] as ExecutionState, epoch: Number(epoch) }] as const
      }),
  )
  const fireLog = await readCopy(dataDir, 'scheduler.db', (db) =>
    db
      .prepare('SELECT jobId, fromAt, toAt, count FROM fireLog WHERE count > 0')
      .all()
      .map(({ jobId, fromAt, toAt, count }) => {
        return { jobId: String(jobId), from: Number(fromAt), to: Number(toAt), count: Number(count) }
      }),
  )
  return { executions: new Map(executions), fireLog }
}
