import type { Topic, TopicValues } from './messages.ts'

/**
 * About how much memory a value of JSON takes up, bytes: what queues, batches and pages are bounded by besides their
 * number of rows. A text counts a byte a character (V8 stores Latin-1 so), the rest what V8 needs on a 64-bit machine: a
 * list of many small values is several times its JSON text.
 */
export function memorySize(value: unknown): number {
  if (typeof value === 'string') return 16 + value.length
  if (typeof value !== 'object' || value === null) return 8
  let size = 32
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) size += memorySize(value[i])
    return size
  }
  for (const name in value) size += 24 + name.length + memorySize((value as Record<string, unknown>)[name])
  return size
}

/** From this size on the size of params is remembered: the walk through smaller ones costs less than the memory. */
const rememberedBytes = 1024
const known = new WeakMap<object, number>()

/** `memorySize` of params, which many commands share: those that are large are measured once. */
export function paramsSize(params: object): number {
  const remembered = known.get(params)
  if (remembered !== undefined) return remembered
  const size = memorySize(params)
  if (size >= rememberedBytes) known.set(params, size)
  return size
}

/** What a message takes up besides its params, result and errors, bytes (measured: 0.6 to 1.2 KB). */
const bareMessageBytes = 1024
const changeBytes = 256

interface Failure {
  readonly message: string
}

interface Outcome {
  readonly attempts: readonly { readonly error: Failure | null }[]
  readonly result?: unknown
  readonly error: Failure | null
  readonly artifacts: readonly unknown[]
}

/** About how much memory the state of an execution takes up without its params, bytes. */
export function outcomeSize({ attempts, result, error, artifacts }: Outcome): number {
  let size = bareMessageBytes + artifacts.length * changeBytes + (error?.message.length ?? 0)
  if (result !== null && result !== undefined) size += memorySize(result)
  for (const attempt of attempts) size += 128 + (attempt.error?.message.length ?? 0)
  return size
}

const sizes: { readonly [T in Topic]: (value: TopicValues[T]) => number } = {
  'job-changes': ({ spec, changes }) => bareMessageBytes + paramsSize(spec.params) + changes.length * changeBytes,
  'job-execute': ({ params }) => bareMessageBytes + paramsSize(params),
  'job-status': outcomeSize,
  'job-dead-letter': (value) => (value.kind === 'execution' ? outcomeSize(value.execution) : memorySize(value)),
}

/** About how much memory the value of a message takes up, bytes: a few property reads, however long its texts are. */
export function messageSize<T extends Topic>(topic: T, value: TopicValues[T]): number {
  return sizes[topic](value)
}

/** The part of a message that commands of one job share in one process: its params. Null where nothing is shared. */
function sharedPart(topic: Topic, value: TopicValues[Topic]): object | null {
  return topic === 'job-execute' ? (value as TopicValues['job-execute']).params : null
}

/**
 * What a message adds to the one before it in a queue, bytes: params that both have by reference count once. In one
 * process the commands of a job share them.
 */
export function addedSize<T extends Topic>(
  topic: T,
  value: TopicValues[T],
  before: TopicValues[T] | undefined,
): number {
  const shared = sharedPart(topic, value)
  const isShared = shared !== null && before !== undefined && sharedPart(topic, before) === shared
  return isShared ? bareMessageBytes : messageSize(topic, value)
}

/** What these messages take up together while they wait, bytes; see `addedSize`. */
export function heldSize<T extends Topic>(topic: T, messages: readonly { readonly value: TopicValues[T] }[]): number {
  let size = 0
  let before: TopicValues[T] | undefined
  for (const { value } of messages) {
    size += addedSize(topic, value, before)
    before = value
  }
  return size
}
