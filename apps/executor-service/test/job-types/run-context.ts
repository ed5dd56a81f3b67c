import { type Clock, createSystemClock } from '@belfry/service'
import type { RunContext } from '@belfry/worker'

interface Artifact {
  name: string
  contentType: string
  body: string | Uint8Array
}

export interface TestContext extends RunContext {
  readonly logs: string[]
  readonly artifacts: Artifact[]
  /** Whether the handler has asked for the signal, which the executor makes only then. */
  readonly signalWasRead: () => boolean
  abort(reason: unknown): void
}

export const fireAt = Date.UTC(2026, 10, 21, 6, 30)

/** The context of one attempt, which remembers what the handler did with it. */
export function createTestContext(
  of: { clock?: Clock; epoch?: number; executionId?: string; ownerId?: string } = {},
): TestContext {
  const controller = new AbortController()
  const logs: string[] = []
  const artifacts: Artifact[] = []
  const executionId = of.executionId ?? 'exe-1-00000000-0000-7000-8000-000000000001'
  let read = false
  return {
    executionId,
    jobId: 'job-00000000-0000-7000-8000-000000000001',
    ownerId: of.ownerId ?? 'usr-00000000-0000-7000-8000-000000000001',
    epoch: of.epoch ?? 1,
    fireAt,
    idempotencyKey: executionId,
    get signal() {
      read = true
      return controller.signal
    },
    clock: of.clock ?? createSystemClock(),
    begin: () => undefined,
    checkpoint: async () => undefined,
    resume: async () => undefined,
    log: (level, text) => logs.push(`${level} ${text}`),
    artifact: (name, contentType, body) => artifacts.push({ name, contentType, body }),
    logs,
    artifacts,
    signalWasRead: () => read,
    abort: (reason) => controller.abort(reason),
  }
}
