/** Something that is started before what needs it, and stopped after it. */
export interface Part {
  readonly name: string
  start?(): Promise<unknown> | unknown
  stop?(): Promise<unknown> | unknown
}

/** A whole made of parts. */
export interface Lifecycle {
  /**
   * Starts the parts one after the other. When one fails, those before it are stopped again and its error is thrown on.
   * A second call waits for the first.
   */
  start(): Promise<void>
  /**
   * Stops in reverse what was started, and reaches every part, whatever the others throw; the errors are thrown at the
   * end. A second call waits for the first; before `start` it does nothing.
   */
  stop(): Promise<void>
}

async function stopInReverse(started: readonly Part[]): Promise<void> {
  const errors: unknown[] = []
  for (const part of started.toReversed()) {
    try {
      await part.stop?.()
    } catch (cause) {
      errors.push(new Error(`${part.name} did not stop cleanly`, { cause }))
    }
  }
  if (errors.length === 1) throw errors[0]
  if (errors.length > 1) throw new AggregateError(errors, 'several parts did not stop cleanly')
}

async function startInOrder(parts: readonly Part[]): Promise<void> {
  const started: Part[] = []
  for (const part of parts) {
    try {
      await part.start?.()
    } catch (error) {
      await stopInReverse(started).catch(() => undefined)
      throw error
    }
    started.push(part)
  }
}

/** Parts that start in order and stop in reverse; it starts once. */
export function createLifecycle(parts: readonly Part[]): Lifecycle {
  let starting: Promise<void> | undefined
  let stopping: Promise<void> | undefined
  const stopStarted = async () => {
    const hasStarted = await starting?.then(
      () => true,
      () => false,
    )
    if (hasStarted) await stopInReverse(parts)
  }
  return {
    start() {
      starting ??= startInOrder(parts)
      return starting
    },
    stop() {
      if (!starting) return Promise.resolve()
      stopping ??= stopStarted()
      return stopping
    },
  }
}
