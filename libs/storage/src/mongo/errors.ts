import { StorageError, type StorageErrorCode } from '../errors.ts'

/** MongoDB's error codes that mean more than "this command was wrong". */
const duplicateKey = 11_000
/** WriteConflict of MongoDB; "deadlock detected" of FerretDB. Nothing of the operation was written. */
const conflicts: readonly number[] = [112, 16_908_292]
/**
 * The server refused the command before it did anything: it is not, or no longer, the primary; it recovers; it has no commit
 * point yet after a start; or it finds no primary to hand the command to.
 */
const refusedByState: readonly number[] = [10_107, 13_435, 13_436, 10_058, 134, 133]
/**
 * The server stopped, lost its role, ended the operation on request, or lost another server while it worked on the command; a
 * cursor went with its server.
 */
const interrupted: readonly number[] = [91, 189, 11_600, 11_601, 11_602, 64, 100, 50, 262, 6, 7, 89, 9001, 43]
const outOfDiskSpace = 14_031
/**
 * FerretDB answers while the PostgreSQL behind it starts, stops or has gone, with the code of any internal error and
 * PostgreSQL's words. Before PostgreSQL takes connections nothing was done.
 */
const internalError = 1
const notAccepting = /database system is|failed to connect|connection refused/i
const cutOff = /terminating connection|unexpected EOF|connection reset|broken pipe|conn closed|closed pool/i

interface DriverError {
  readonly name: string
  readonly message: string
  readonly code?: unknown
  /** Of network errors: whether the connection was still being made. */
  readonly beforeHandshake?: boolean
  readonly cause?: unknown
}

const isError = (error: unknown): error is Error & DriverError => error instanceof Error

function codeNumber(error: unknown): number | null {
  return isError(error) && typeof error.code === 'number' ? error.code : null
}

/** Whether the database refused an operation because of another one at the same time: it may be repeated at once. */
export const isConflict = (code: unknown): boolean => typeof code === 'number' && conflicts.includes(code)

/** Whether the database refused a document because one with the same `_id` is there. */
export const isDuplicateKey = (code: unknown): boolean => code === duplicateKey

/** Errors that come before a command is sent. */
const beforeSending: readonly string[] = [
  'MongoServerSelectionError',
  'MongooseServerSelectionError',
  // The pool was cleared before the command got a connection. `PoolClearedOnNetworkError` interrupts commands under way.
  'MongoPoolClearedError',
]

/** Whether the driver failed before it sent the command. */
function isBeforeSending(error: Error & DriverError): boolean {
  if (beforeSending.includes(error.name) || error.beforeHandshake === true) return true
  return isError(error.cause) && error.cause.code === 'ECONNREFUSED'
}

const closedNames: readonly string[] = [
  'MongoNotConnectedError',
  'MongoClientClosedError',
  'MongoTopologyClosedError',
  'MongoPoolClosedError',
  // A call that waited for the server when its client was closed.
  'MongoExpiredSessionError',
]

const isClosed = ({ name }: Error) => closedNames.includes(name)

/** Errors of a socket that the driver passes on as they are. */
const socketErrors: readonly unknown[] = ['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT']

const isOfNetwork = ({ name, code }: Error & DriverError) =>
  name.startsWith('MongoNetwork') || name.startsWith('PoolCleared') || socketErrors.includes(code)

/** The driver wraps what ends a bulk write, and copies no more than some of its properties: the error within is looked at. */
function unwrapped(error: unknown): unknown {
  const within = isError(error) && 'errorResponse' in error ? error.errorResponse : undefined
  return within instanceof Error ? within : error
}

function codeOf(thrown: unknown, kind: 'read' | 'write'): StorageErrorCode {
  const error = unwrapped(thrown)
  if (!isError(error)) return 'failed'
  if (isClosed(error)) return 'closed'
  // Every connection waits for a server that hangs: this call was not sent.
  if (error.name === 'MongoWaitQueueTimeoutError') return 'unavailable'
  if (isBeforeSending(error)) return 'unavailable'
  const code = codeNumber(error)
  if (code === internalError && notAccepting.test(error.message)) return 'unavailable'
  const lost = lostCode[kind]
  if (code === internalError && cutOff.test(error.message)) return lost
  if (code === null) return isOfNetwork(error) ? lost : 'failed'
  return error.name === 'MongoWriteConcernError' ? lost : codeOfNumber(code, kind)
}

const lostCode = { read: 'unavailable', write: 'outcome-unknown' } as const

function codeOfNumber(code: number, kind: 'read' | 'write'): StorageErrorCode {
  if (code === duplicateKey) return 'constraint'
  if (isConflict(code)) return 'locked'
  if (refusedByState.includes(code)) return 'unavailable'
  if (interrupted.includes(code)) return lostCode[kind]
  return code === outOfDiskSpace ? 'disk-full' : 'failed'
}

/** The error of one operation of a batch, of which others may be written: it never says that nothing is. */
export function errorOfOperation(code: number, message: string): StorageError {
  const found = codeOfNumber(code, 'write')
  return new StorageError(found === 'unavailable' ? 'outcome-unknown' : found, message)
}

/** The same error as a `StorageError`; one that is one already stays as it is. */
export function asStorageError(error: unknown, kind: 'read' | 'write'): StorageError {
  if (error instanceof StorageError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new StorageError(codeOf(error, kind), message, { cause: error })
}
