import { isEnded } from '@belfry/contracts'
import { createMachine } from './machine.ts'
import { tokenOf } from './network.ts'
import { namesOf, type Operation } from './plan.ts'
import type { World } from './world.ts'

/** What a call was answered in the end. Times of the world, epoch milliseconds. */
export interface Answer {
  readonly operation: Operation
  /** When it was first sent. */
  readonly askedAt: number
  /** When the answer had come. */
  readonly at: number
  readonly status: number
  /** The id of the job, or of the execution, that it is about. */
  readonly id: string
  readonly body: Record<string, unknown>
  /** Whether the same call may have had its effect before: it had been sent, and had no answer or one of 5xx. */
  readonly mayHaveActed: boolean
}

/** The one user of a world: sends each operation at its time, and again until it is answered. */
export interface Caller {
  readonly answers: readonly Answer[]
  /** Operations that were sent and have no answer. */
  open(): number
  /** Answers that no caller may get. */
  readonly wrong: readonly string[]
  /** Cancels the jobs that would go on for ever, and those whose create is still to be answered. */
  cancelAll(): void
}

interface Route {
  readonly method: 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly body?: unknown
  readonly hasKey?: boolean
  readonly id: string
}

const deadlineMs = 4_000
/** How often a call is sent again that is refused for now; then the refusal is its answer. */
const mostConflicts = 20

export function startCaller(world: World, operations: readonly Operation[]): Caller {
  const { loop, random, records, network, history, startAt } = world
  const machine = createMachine(loop, startAt, 0)
  const answers: Answer[] = []
  const wrong: string[] = []
  const jobIds = new Map<number, string>()
  let open = 0
  let isOver = false
  let keys = 0
  const now = () => startAt + loop.now()

  /** An execution of the job, in the state that the operation is for. */
  function executionOf(jobId: string, isForEnded: boolean): string | undefined {
    const found = [...records.executions.values()].filter(
      (one) => one.jobId === jobId && isEnded(one.state) === isForEnded,
    )
    return found.length > 0 ? random.oneOf(found).id : undefined
  }

  function routeOf(operation: Operation): Route | undefined {
    if (operation.kind === 'create')
      return { method: 'POST', path: '/jobs', body: operation.body, hasKey: true, id: '' }
    const id = jobIds.get(operation.job)
    if (id === undefined) return undefined
    switch (operation.kind) {
      case 'patch':
        return { method: 'PATCH', path: `/jobs/${id}`, body: operation.body, id }
      case 'delete':
        return { method: 'DELETE', path: `/jobs/${id}`, id }
      case 'trigger':
        return { method: 'POST', path: `/jobs/${id}/trigger`, hasKey: true, id }
      case 'backfill':
        return { method: 'POST', path: `/jobs/${id}/backfill`, body: operation.body, hasKey: true, id }
      case 'redrive':
        return { method: 'POST', path: '/dead-letters/redrive', body: { filter: {} }, id }
      case 'cancel-execution':
      case 'retry-execution': {
        const isRetry = operation.kind === 'retry-execution'
        const execution = executionOf(id, isRetry)
        if (execution === undefined) return undefined
        return {
          method: 'POST',
          path: `/executions/${execution}/${isRetry ? 'retry' : 'cancel'}`,
          hasKey: isRetry,
          id: execution,
        }
      }
      default:
        return { method: 'POST', path: `/jobs/${id}/${operation.kind}`, id }
    }
  }

  /** Whether the same call may be answered otherwise a moment later. */
  const isPassing = (status: number, body: Record<string, unknown>) =>
    status >= 500 || status === 429 || body.code === 'request-in-flight' || body.code === 'conflict'

  function cancel(job: number): void {
    const operation = { kind: 'cancel', job, at: loop.now() } as const
    const route = routeOf(operation)
    if (route) void ask(operation, route)
  }

  async function ask(operation: Operation, route: Route): Promise<void> {
    open += 1
    let mayHaveActed = false
    const askedAt = now()
    keys += 1
    const headers = route.hasKey ? { 'idempotency-key': `key-${keys}-of-this-world` } : {}
    for (let tries = 1; ; tries++) {
      const instance = `job-service-${random.oneOf(namesOf('job-service'))}-80`
      const { method, path, body } = route
      const sent = { method, path, token: tokenOf('usr-1'), headers, deadlineMs, ...(body !== undefined && { body }) }
      history.add('caller', `asks ${method} ${path} of ${instance}`, route.id, () => JSON.stringify(body ?? null))
      const answer = await network.call({ process: 'caller', machine }, instance, sent).catch((error: Error) => error)
      const text = answer instanceof Error ? answer.message : `${answer.status}`
      history.add('caller', `gets ${text}`, route.id, () =>
        answer instanceof Error ? '' : JSON.stringify(answer.body).slice(0, 400),
      )
      if (answer instanceof Error) mayHaveActed = true
      else {
        const reply = (answer.body ?? {}) as Record<string, unknown>
        const mustSayWhen = answer.status === 429 || answer.status === 503
        if (answer.status === 500 || (mustSayWhen && !answer.headers['retry-after']))
          wrong.push(`${operation.kind}: ${answer.status} ${JSON.stringify(reply).slice(0, 300)}`)
        if (!isPassing(answer.status, reply) || (reply.code === 'conflict' && tries > mostConflicts)) {
          open -= 1
          const id = operation.kind === 'create' && answer.status < 300 ? String(reply.id) : route.id
          answers.push({ operation, askedAt, at: now(), status: answer.status, id, body: reply, mayHaveActed })
          if (operation.kind === 'create' && answer.status < 300) {
            jobIds.set(operation.job, id)
            if (isOver) cancel(operation.job)
          }
          return
        }
        mayHaveActed ||= answer.status >= 500
      }
      await new Promise<void>((resolve) => void loop.after(random.between(200, 900), resolve))
    }
  }

  for (const operation of operations)
    loop.after(operation.at, () => {
      const route = routeOf(operation)
      if (route) void ask(operation, route)
    })

  return {
    answers,
    wrong,
    open: () => open,
    cancelAll() {
      isOver = true
      for (const [job, id] of jobIds) {
        const state = records.jobs.get(id)?.job.state
        if (state === 'active' || state === 'paused') cancel(job)
      }
    },
  }
}
