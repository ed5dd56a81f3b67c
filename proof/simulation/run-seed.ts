import { type Result, simulate } from './simulate.ts'
import { type Summary, summaryOf } from './summary.ts'
import type { WorldOptions } from './world.ts'

export type SeedOptions = Omit<WorldOptions, 'rates'>

/** A seed of which no result can be had. The rule `world` stands for what no world may do at all. */
export const brokenSummary = (seed: number, text: string): Summary => ({
  seed,
  hash: null,
  lastedMs: 0,
  violations: [{ rule: 'world', subject: 'world', text }],
  counts: [],
  timeline: [],
})

const textOf = (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error))

/** Errors that nothing in this thread has taken: promises that were rejected, and what a callback threw. */
const untaken: unknown[] = []

/** Collects errors that nothing takes, which would end the thread: each is a violation of the seed at work. Answers what ends it. */
export function collectErrors(): () => void {
  const collect = (error: unknown) => void untaken.push(error)
  process.on('unhandledRejection', collect)
  process.on('uncaughtException', collect)
  return () => {
    process.off('unhandledRejection', collect)
    process.off('uncaughtException', collect)
  }
}

/** What became of a seed; one that throws has that as its violation. `isHashed`: with the hash of its history. */
export async function runSeed(seed: number, options?: SeedOptions, isHashed = false): Promise<Summary> {
  const result: Result | Error = await simulate(seed, options).catch((error: Error) => error)
  const summary =
    result instanceof Error ? brokenSummary(seed, `it threw ${textOf(result)}`) : summaryOf(result, isHashed)
  const errors = new Set(untaken.splice(0).map((error) => `nothing took ${textOf(error)}`))
  const left = [...errors].map((text) => ({ rule: 'world', subject: 'world', text }))
  return { ...summary, violations: [...summary.violations, ...left] }
}
