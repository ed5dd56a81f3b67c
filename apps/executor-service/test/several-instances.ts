import type { JobExecuteMessage } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import type { Stores } from '../src/store/ports.ts'
import {
  calm,
  createInstanceClock,
  createRandom,
  type InstanceClock,
  type Trouble,
  troubledStores,
} from './instances.ts'
import { start } from './samples.ts'
import { createDocumentStores } from './store/document-stores.ts'
import { type Call, openWorld, type World } from './world.ts'

/** A start of a handler, as the target of the calls sees it. */
export interface Start {
  readonly id: string
  readonly epoch: number
  readonly instance: number
  readonly at: number
  endedAt: number | null
}

interface Instance {
  readonly clock: InstanceClock
  readonly trouble: Trouble
  readonly world: World
}

/** Executors of one store, with clocks and troubles of their own. `onStart` is called with each start of a handler. */
export async function openInstances(
  seed: number,
  count: number,
  skewMs: () => number,
  onStart: (start: Start, stores: Stores, starts: readonly Start[]) => Promise<void> = async () => undefined,
) {
  const base = createManualClock(start)
  const random = createRandom(seed)
  const stores = createDocumentStores(seed)
  const starts: Start[] = []
  const stale: string[] = []
  const checks = new Set<Promise<void>>()

  /** A start must be of the epoch that the store has at this moment. */
  async function check({ id, epoch, instance, at }: Start): Promise<void> {
    const [found] = await stores.executions.find([id])
    const is = found?.execution
    if (is?.state === 'running' && is.epoch === epoch) return
    stale.push(`${id} epoch ${epoch} of ${instance} at ${at - start}: ${is?.state} ${is?.epoch}`)
  }

  async function run(instance: number, { params, context }: Call): Promise<string> {
    const made: Start = { id: context.executionId, epoch: context.epoch, instance, at: base.now(), endedAt: null }
    starts.push(made)
    const both = Promise.all([check(made), onStart(made, stores, starts)])
    const checked = both.then(() => undefined).finally(() => checks.delete(checked))
    checks.add(checked)
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = context.clock.callAfter(Number(params.ms), resolve)
        context.signal.addEventListener('abort', () => {
          timer.cancel()
          reject(context.signal.reason)
        })
      })
    } finally {
      made.endedAt = base.now()
    }
    return `${context.epoch} of ${instance}`
  }

  const instances: Instance[] = []
  for (let index = 0; index < count; index += 1) {
    const clock = createInstanceClock(base, skewMs())
    const trouble = calm()
    const world = await openWorld({
      clock,
      stores,
      wrapStores: (all) => troubledStores(all, clock, trouble, random),
      config: {
        mode: 'distributed',
        executorIoConcurrency: 6,
        executorClaimAhead: 6,
        executorAbortGraceMs: 500,
        executorStoreRetryMs: 200,
        shutdownGraceMs: 500,
      },
      run: (call) => run(index, call),
    })
    instances.push({ clock, trouble, world })
  }

  /** Lets time pass; what is under way in the store gets on. */
  async function pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      await base.advance(10)
      for (let n = 0; n < 12; n += 1) await new Promise<void>((resolve) => setImmediate(resolve))
      await Promise.all(checks)
    }
  }
  return { base, random, stores, starts, stale, instances, pass }
}
export type Instances = Awaited<ReturnType<typeof openInstances>>

/** As job-service and the scheduler do: a command is sent until its execution is there, to any instance. */
export async function send(
  { instances, stores, random }: Instances,
  commands: readonly JobExecuteMessage[],
  now: number,
) {
  const due = commands.filter((one) => one.fireAt - 4000 <= now)
  const found = await stores.executions.find(due.map((one) => one.executionId))
  const awake = instances.filter(({ clock }) => !clock.isPaused)
  for (const [index, one] of due.entries()) {
    const instance = awake[Math.floor(random() * awake.length)]
    if (found[index] === undefined && instance) void instance.world.publish(one).catch(() => undefined)
  }
}
