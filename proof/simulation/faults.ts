import { StorageError } from '@belfry/storage'
import type { Random } from '../random.ts'
import type { EventLoop } from './event-loop.ts'

/** Everything that may go wrong by itself, each as a probability of one call or message. */
export interface FaultRates {
  readonly busDrop: number
  readonly busDouble: number
  /** A message that comes late, behind others. */
  readonly busShuffle: number
  /** A publish that fails although the messages go out. */
  readonly busAckLost: number
  readonly busRefused: number
  readonly storeRefused: number
  /** The write is stored, its answer is lost. */
  readonly storeAnswerLost: number
  /** The answer is lost, the write is stored a moment later. */
  readonly storeLate: number
  /** Of a write of several records, the first ones alone are stored. */
  readonly storePartial: number
  readonly storeSlow: number
  readonly callRefused: number
  readonly callAnswerLost: number
  readonly callSlow: number
}
type FaultName = keyof FaultRates

/** As often as in the design's table (bus: 20 % lost, 20 % doubled), and the rest as often as leaves most calls whole. */
export const usualRates: FaultRates = {
  busDrop: 0.2,
  busDouble: 0.2,
  busShuffle: 0.3,
  busAckLost: 0.03,
  busRefused: 0.03,
  storeRefused: 0.01,
  storeAnswerLost: 0.015,
  storeLate: 0.01,
  storePartial: 0.15,
  storeSlow: 0.03,
  callRefused: 0.03,
  callAnswerLost: 0.04,
  callSlow: 0.04,
}

/** Decides what goes wrong, and counts it. Nothing does once it is calm. */
export interface Faults {
  strikes(name: FaultName): boolean
  /** Counts a fault that was planned: a kill, a freeze, a step of a clock, a cut link. */
  note(name: string): void
  /** From now on nothing goes wrong any more. */
  end(): void
  readonly counts: ReadonlyMap<string, number>
  /** Cuts the link between two processes, or between a process and a server (`store`, `bus`), both ways. */
  cut(one: string, other: string): void
  mend(one: string, other: string): void
  isCut(one: string, other: string): boolean
}

const linkOf = (one: string, other: string) => (one < other ? `${one} ${other}` : `${other} ${one}`)

export function createFaults(random: Random, rates: FaultRates): Faults {
  const counts = new Map<string, number>()
  const cuts = new Set<string>()
  let isOver = false
  const note = (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1)
  return {
    strikes(name) {
      if (isOver || !random.chance(rates[name])) return false
      note(name)
      return true
    },
    note,
    end() {
      isOver = true
      cuts.clear()
    },
    counts,
    cut: (one, other) => void cuts.add(linkOf(one, other)),
    mend: (one, other) => void cuts.delete(linkOf(one, other)),
    isCut: (one, other) => cuts.has(linkOf(one, other)),
  }
}

/** Milliseconds that a call is under way, one way. */
export const hopMs = (random: Random) => 0.2 + random.fraction() * random.fraction() * 4

export const unavailable = (name: string) => new StorageError('unavailable', `cut: ${name}`)
export const outcomeUnknown = (name: string) => new StorageError('outcome-unknown', `lost: ${name}`)

/** Resolves after so many milliseconds of the world. */
export const passing = (loop: EventLoop, ms: number) => new Promise<void>((resolve) => void loop.after(ms, resolve))
