import { expect } from 'vitest'
import { recordResult } from '../report/result.ts'
import type { Finding } from './matrix.ts'
import type { World } from './world.ts'

/** What the checks of a proof have found. */
export interface Findings {
  /** Runs a check, records what it found, and fails with all of it. `atLeast`: checks. */
  prove(check: (world: World) => Promise<Finding>, atLeast: number): Promise<void>
  /** The same in three forms: a table for people, a line of JSON for what collects figures, and a result of the layer. */
  report(): void
}

/** `isOfFleet`: the checks are against one process per service. */
export function createFindings(world: () => World, isOfFleet = false): Findings {
  const proof = isOfFleet ? 'security of a fleet' : 'security'
  const findings: Finding[] = []
  return {
    async prove(check, atLeast) {
      const finding = await check(world())
      findings.push(finding)
      expect(finding.unexpected).toEqual([])
      expect(finding.checks).toBeGreaterThanOrEqual(atLeast)
    },
    report() {
      const rows = findings.map(({ what, checks, unexpected }) => ({ what, checks, unexpected: unexpected.length }))
      console.table(rows)
      const figures = rows.map((row, index) => ({ ...row, ...findings[index]?.more }))
      console.log(JSON.stringify({ proof, findings: figures }))
      recordResult({
        layer: 'security',
        tried: { checks: rows.reduce((sum, { checks }) => sum + checks, 0) },
        parts: rows.map(({ what, checks, unexpected }) => ({
          name: isOfFleet ? `in a fleet: ${what}` : what,
          isAsExpected: unexpected === 0,
          figures: { checks, unexpected },
        })),
        found: [],
      })
    },
  }
}
