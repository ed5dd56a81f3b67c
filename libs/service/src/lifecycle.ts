/** Something that is started before what needs it, and stopped after it. */
export interface Part {
  readonly name: string
  start?(): Promise<unknown> | unknown
  stop?(): Promise<unknown> | unknown
}

/** What has been started. `stop` may be called twice: both calls wait for the one stopping. */
export interface Running {
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

/**
 * Starts the parts one after the other. When one fails, those before it are stopped again and its error is thrown on.
 * Stopping goes in reverse and reaches every part, whatever the others throw; the errors are thrown at the end.
 */
export async function startInOrder(parts: readonly Part[]): Promise<Running> {
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
  let stopping: Promise<void> | undefined
  return {
    stop() {
      stopping ??= stopInReverse(started)
      return stopping
    },
  }
}
