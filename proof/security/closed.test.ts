import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { recordResult } from '../report/result.ts'
import { checkHostileInput } from './hostile.ts'
import { checkMatrix, type Finding } from './matrix.ts'
import { checkOutbound } from './outbound.ts'
import { checkOwners } from './owners.ts'
import { checkSpoofing } from './spoofing.ts'
import { checkTokens } from './tokens.ts'
import { openWorld, type World } from './world.ts'

let world: World
const findings: Finding[] = []

beforeAll(async () => {
  world = await openWorld()
}, 60_000)

/** Two forms of the same: a table for people, and a line of JSON for what collects figures. */
afterAll(async () => {
  const rows = findings.map(({ what, checks, unexpected }) => ({ what, checks, unexpected: unexpected.length }))
  console.table(rows)
  const figures = findings.map(({ what, checks, unexpected, more }) => ({
    ...{ what, checks, unexpected: unexpected.length },
    ...more,
  }))
  console.log(JSON.stringify({ proof: 'security', findings: figures }))
  recordResult({
    layer: 'security',
    tried: { checks: findings.reduce((sum, { checks }) => sum + checks, 0) },
    parts: rows.map(({ what, checks, unexpected }) => ({
      name: what,
      isAsExpected: unexpected === 0,
      figures: { checks, unexpected },
    })),
    found: [],
  })
  await world?.close()
})

/** Runs a check, records what it found, and fails with all of it. */
async function prove(check: (world: World) => Promise<Finding>, atLeast: number): Promise<void> {
  const finding = await check(world)
  findings.push(finding)
  expect(finding.unexpected).toEqual([])
  expect(finding.checks).toBeGreaterThanOrEqual(atLeast)
}

describe('what is not for a caller', () => {
  it(
    'is refused at every route, in every dialect, at the gateway and at the service',
    () => prove(checkMatrix, 5_000),
    120_000,
  )
  it('is not shown or changed by ids of another owner', () => prove(checkOwners, 1_000), 60_000)

  it('is not had by a doctored token, or by one in a wrong place', () => prove(checkTokens, 60), 60_000)

  it('is not had by headers or by the shape of a request', () => prove(checkSpoofing, 200), 60_000)

  it('is not reached by an outbound call', () => prove(checkOutbound, 200), 60_000)

  it('is not had by operators, foreign members or prototypes', () => prove(checkHostileInput, 2_000), 90_000)
})
