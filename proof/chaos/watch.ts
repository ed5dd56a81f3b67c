import { isFinal } from '@belfry/contracts'
import type { Violation } from '../violation.ts'
import type { Seen, StoreReader } from './stores.ts'

/** A state of an execution as it was seen, with the time, epoch milliseconds. */
type Sighting = Seen & { readonly at: number }

export interface StoreWatch {
  /** Of each execution, every different state that was seen, the oldest first. */
  readonly sightings: ReadonlyMap<string, readonly Sighting[]>
  readonly violations: readonly Violation[]
  stop(): Promise<void>
}

/** What an execution must not do from one sighting to the next (I2, I4). Undefined when nothing is wrong. */
export function judgeStep(before: Seen, after: Seen): string | undefined {
  if (after.seq < before.seq) return `seq went from ${before.seq} back to ${after.seq}`
  if (after.epoch < before.epoch) return `the epoch went from ${before.epoch} back to ${after.epoch}`
  const isSame = after.state === before.state && after.epoch === before.epoch
  if (after.seq === before.seq && !isSame) return `two states have seq ${after.seq}: ${before.state} and ${after.state}`
  if (isFinal(before) && after.state !== before.state) return `it ended ${before.state} and became ${after.state}`
  return undefined
}

const turnMs = 700
/** A number may be stored later than a higher one: so far back the numbers are read again. */
const rereadNumbers = 500

/** Looks at the stores again and again while faults are injected. A turn that finds the server away is left out. */
export function watchStores(reader: StoreReader): StoreWatch {
  const sightings = new Map<string, Sighting[]>()
  const violations: Violation[] = []
  const versions = { jobs: new Map<string, number>(), schedules: new Map<string, number>() }
  let after = 0
  let turns = 0
  let isOver = false

  function see(seen: Seen): void {
    const earlier = sightings.get(seen.id) ?? []
    const before = earlier.at(-1)
    if (before?.seq === seen.seq && before.state === seen.state) return
    const wrong = before && judgeStep(before, seen)
    if (wrong) violations.push({ rule: 'I4', subject: seen.id, text: wrong })
    sightings.set(seen.id, [...earlier, { ...seen, at: Date.now() }])
  }

  function compareVersions(of: 'jobs' | 'schedules', found: ReadonlyMap<string, number>): void {
    for (const [jobId, version] of found) {
      const before = versions[of].get(jobId) ?? 0
      if (version < before) {
        violations.push({
          rule: 'I9',
          subject: jobId,
          text: `its version in ${of} went from ${before} back to ${version}`,
        })
      }
      versions[of].set(jobId, version)
    }
  }

  async function runOnce(): Promise<void> {
    const { seen, head } = await reader.changedSince(after)
    for (const one of seen) see(one)
    after = Math.max(after, head - rereadNumbers)
    if (turns++ % 4 > 0) return
    const found = await reader.versions()
    compareVersions('jobs', found.jobs)
    compareVersions('schedules', found.schedules)
  }

  async function run(): Promise<void> {
    while (!isOver) {
      await runOnce().catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, turnMs))
    }
  }
  const done = run()
  return {
    sightings,
    violations,
    async stop() {
      isOver = true
      await done
    },
  }
}
