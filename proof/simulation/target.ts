import type { Handler, Handlers, RunContext } from '@belfry/worker'
import { z } from 'zod'
import type { EventLoop } from './event-loop.ts'
import type { History } from './history.ts'
import type { Machine } from './machine.ts'

/** One call of a handler, as its target sees it. Times of the world, epoch milliseconds. */
export interface Call {
  readonly call: number
  readonly executionId: string
  readonly jobId: string
  readonly epoch: number
  /** The version of the job that the execution was of when it was called. */
  readonly version: number
  readonly fireAt: number
  readonly process: string
  readonly at: number
  /** The same moment on the wall clock of its process. */
  readonly wallAt: number
  /** Null while it is at work. */
  endedAt: number | null
}

/** What the handlers of a world call. */
export interface Target {
  readonly calls: readonly Call[]
  begin(context: RunContext, version: number, process: string, machine: Machine): Call
  end(call: Call, how: string): void
  /** The handlers of this life are at work no more. */
  died(machine: Machine): void
}

export function createTarget(loop: EventLoop, history: History, startAt: number): Target {
  const calls: Call[] = []
  const atWork = new Map<Call, Machine>()
  const now = () => startAt + loop.now()
  const end: Target['end'] = (call, how) => {
    if (!atWork.delete(call)) return
    call.endedAt = now()
    history.add(call.process, `call ${call.call} ${how}`, call.executionId)
  }
  return {
    calls,
    begin({ executionId, jobId, epoch, fireAt, clock }, version, process, machine) {
      const times = { at: now(), wallAt: clock.now(), endedAt: null }
      const call: Call = { call: calls.length, executionId, jobId, epoch, version, fireAt, process, ...times }
      calls.push(call)
      atWork.set(call, machine)
      history.add(process, `call ${call.call} of epoch ${epoch}`, executionId)
      return call
    },
    end,
    died(machine) {
      for (const [call, of] of atWork) if (of === machine) end(call, 'died')
    },
  }
}

/** What the params of a simulated job say about its runs. */
const params = z.strictObject({
  /** How long a run takes, milliseconds. */
  workMs: z.number(),
  /** Runs of an execution that fail before one succeeds. */
  failures: z.number(),
  /** Whether it goes on when it is to stop. */
  isDeaf: z.boolean(),
})
type Params = z.infer<typeof params>
/** Once for all lives. */
const schemas = { params: z.toJSONSchema(params, { io: 'input' }), result: {} }

interface TargetOfWorld {
  readonly target: Target
  readonly executionVersions: ReadonlyMap<string, number>
}

/** The job type SIM, as one process has it. */
export function handlersOf({ target, executionVersions }: TargetOfWorld, process: string, machine: Machine): Handlers {
  async function run({ workMs, failures, isDeaf }: Params, context: RunContext): Promise<unknown> {
    const version = executionVersions.get(context.executionId) ?? 0
    const call = target.begin(context, version, process, machine)
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = context.clock.callAfter(workMs, resolve)
        if (isDeaf) return
        context.signal.addEventListener('abort', () => {
          timer.cancel()
          reject(context.signal.reason)
        })
      })
    } catch (error) {
      target.end(call, 'was aborted')
      throw error
    }
    const isFailure =
      target.calls.filter(({ executionId, epoch }) => executionId === context.executionId && epoch <= context.epoch)
        .length <= failures
    target.end(call, isFailure ? 'failed' : 'ended')
    if (isFailure) throw new Error('a failure of the plan')
    return { call: call.call }
  }
  const handler: Handler<Params> = {
    type: 'SIM',
    title: 'Simulated',
    description: 'Does what its params say.',
    params,
    result: z.unknown(),
    schemas,
    timeoutMs: 20_000,
    slots: 'io',
    examples: [],
    run,
  }
  return { types: new Map([['SIM', handler as unknown as Handler]]), close: async () => undefined }
}
