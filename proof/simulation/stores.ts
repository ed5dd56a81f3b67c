import type { Random } from '../random.ts'
import type { EventLoop } from './event-loop.ts'
import { type Faults, hopMs, outcomeUnknown, unavailable } from './faults.ts'
import type { Machine } from './machine.ts'

type Verb = (...args: unknown[]) => Promise<unknown>

export interface StoreLink {
  readonly loop: EventLoop
  readonly random: Random
  readonly faults: Faults
  readonly machine: Machine
  /** The process at this end of the link. */
  readonly process: string
}

/** Verbs that change records: only of these can the first part be stored alone. */
const isWrite = (verb: string) => /Many$|^(?:upsert|append|put|mark|insert|compareAndSet|write|apply)/.test(verb)

/** The first part of a write of several records. */
function firstPart(verb: string, args: readonly unknown[], random: Random): unknown[] | undefined {
  const index = args.findIndex((one) => Array.isArray(one) && one.length > 1)
  const rows = args[index]
  if (!Array.isArray(rows) || !isWrite(verb)) return undefined
  return args.with(index, rows.slice(0, random.between(1, rows.length - 1)))
}

/** How long a call that hangs takes, milliseconds: up to longer than a lease. */
const slowMs = (random: Random) => random.fraction() * random.fraction() * 6_000

/**
 * One verb as one process calls it. The process may die, or stand still, between the call and its answer; the write of one that dies
 * while its call is on the way is stored or not.
 */
function callOf(link: StoreLink, name: string, verb: string, call: Verb): Verb {
  const { loop, random, faults, machine, process } = link

  return (...args) =>
    new Promise((resolve, reject) => {
      const answer = (delayMs: number, give: () => void) => loop.after(delayMs, () => machine.deliver(give))
      const fail = (error: Error) => answer(hopMs(random), () => reject(error))
      if (!machine.isAlive) return
      if (faults.isCut(process, 'store')) return fail(unavailable(name))
      if (faults.strikes('storeRefused')) return fail(unavailable(name))
      if (faults.strikes('storeLate')) {
        loop.after(random.between(100, 2_000), () => void call(...args).catch(() => undefined))
        return fail(outcomeUnknown(name))
      }
      const part = random.chance(0.5) ? firstPart(verb, args, random) : undefined
      const isPart = part !== undefined && faults.strikes('storePartial')
      const isLost = isPart || faults.strikes('storeAnswerLost')
      const lateMs = faults.strikes('storeSlow') ? slowMs(random) : 0
      const effect = () => {
        // A process that died while its call was on the way has sent it, or not.
        if (!machine.isAlive && random.chance(0.5)) return
        call(...(isPart ? part : args)).then(
          (value) => {
            if (isLost) fail(outcomeUnknown(name))
            else answer(hopMs(random) + (random.chance(0.5) ? lateMs : 0), () => resolve(value))
          },
          (error) => fail(error as Error),
        )
      }
      loop.after(hopMs(random) + (random.chance(0.5) ? lateMs : 0), effect)
    })
}

/** The stores as one process reaches them. */
export function linkStores<S extends object>(stores: S, link: StoreLink): S {
  const linked = Object.entries(stores).map(([store, verbs]) => {
    if (typeof verbs === 'function') return [store, verbs]
    const calls = Object.entries(verbs as Record<string, unknown>).map(([verb, call]) => {
      if (typeof call !== 'function' || verb.startsWith('is')) return [verb, call]
      return [verb, callOf(link, `${store}.${verb}`, verb, call as Verb)]
    })
    return [store, Object.fromEntries(calls)]
  })
  return Object.fromEntries(linked) as S
}
