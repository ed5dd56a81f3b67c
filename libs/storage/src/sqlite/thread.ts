import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { CrashPoints } from '@belfry/service'
import { StorageError } from '../errors.ts'
import { asStorageError } from './errors.ts'
import { openFile, type SqliteFile } from './file.ts'

import type { ThreadSettings, WorkerAnswer, WorkerCall, WorkerDrain, WorkerTurn } from './worker-protocol.ts'

/**
 * The store thread. A message wakes it; it then takes everything that waits, works it off with one commit per file, and
 * answers in one message: however many callers wait, a file pays for one fsync per drain.
 */
const settings = workerData as ThreadSettings
/** Loaded only for a proof: it brings the log and the metrics along, which this thread does not need. */
const crash: CrashPoints =
  settings.crashAt === null
    ? { at: () => undefined }
    : (await import('@belfry/service')).createCrashPoints(settings.crashAt)
const files = new Map<number, SqliteFile>()

function openOrClose(call: WorkerCall): WorkerAnswer {
  try {
    if (call[0] === 'open') {
      const migrations = call[3].map(([name, sql]) => ({ name, sql }))
      files.set(call[1], openFile(call[2], migrations, settings.file, crash))
    } else {
      files.get(call[1])?.close()
      files.delete(call[1])
    }
    return ['ok', null]
  } catch (error) {
    const { code, message } = asStorageError(error)
    return [code, call[0] === 'open' ? `${call[2]}: ${message}` : message]
  }
}

/** Where each call of a file stands among all calls of the drain. */
function indexesByFile(calls: readonly WorkerCall[]): Map<number, number[]> {
  const indexes = new Map<number, number[]>()
  for (const [index, call] of calls.entries()) {
    const ofFile = indexes.get(call[1])
    if (ofFile) ofFile.push(index)
    else indexes.set(call[1], [index])
  }
  return indexes
}

/** The main loop opens a file before, and closes it after, all other calls of it were answered: they come alone. */
function drainFile(file: number, calls: readonly WorkerCall[]): readonly WorkerAnswer[] {
  if (calls.length === 1 && (calls[0]?.[0] === 'open' || calls[0]?.[0] === 'close')) return [openOrClose(calls[0])]
  const open = files.get(file)
  return open ? open.drain(calls) : calls.map(() => ['closed', 'the database is closed'])
}

function drain(turns: readonly WorkerTurn[]): WorkerDrain {
  for (const [, statements] of turns) for (const [file, id, sql] of statements) files.get(file)?.prepare(id, sql)
  const calls = turns.length === 1 ? (turns[0] as WorkerTurn)[2] : turns.flatMap((turn) => turn[2])
  const answers: WorkerAnswer[] = new Array(calls.length)
  let commits = 0
  let commitMs = 0
  for (const [file, indexes] of indexesByFile(calls)) {
    const fileAnswers = drainFile(
      file,
      indexes.map((index) => calls[index] as WorkerCall),
    )
    for (const [at, index] of indexes.entries()) answers[index] = fileAnswers[at] as WorkerAnswer
    const spent = files.get(file)?.lastCommitMs ?? null
    if (spent !== null) commits += 1
    commitMs += spent ?? 0
  }
  return [turns.length, commits, commitMs, answers]
}

if (!parentPort) throw new StorageError('failed', 'the store thread is started by openStoreThread')
const port = parentPort

const waiting = () => receiveMessageOnPort(port)?.message as WorkerTurn | undefined

port.on('message', (first: WorkerTurn) => {
  for (let turn: WorkerTurn | undefined = first; turn; turn = waiting()) {
    const turns = [turn]
    let rows = turn[0]
    while (rows < settings.drainRowsLimit) {
      const next = waiting()
      if (!next) break
      turns.push(next)
      rows += next[0]
    }
    port.postMessage(drain(turns))
  }
})
