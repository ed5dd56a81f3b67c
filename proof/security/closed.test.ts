import { afterAll, beforeAll, describe, it } from 'vitest'
import { createFindings } from './findings.ts'
import { checkHostileInput } from './hostile.ts'
import { checkMatrix } from './matrix.ts'
import { checkOutbound } from './outbound.ts'
import { checkOutboundEdits } from './outbound-edits.ts'
import { checkOwners } from './owners.ts'
import { checkSpoofing } from './spoofing.ts'
import { checkTokens } from './tokens.ts'
import { openWorld, type World } from './world.ts'

let world: World
const { prove, report } = createFindings(() => world)
const minutes = 60_000

beforeAll(async () => {
  world = await openWorld()
}, minutes)

afterAll(async () => {
  report()
  await world?.close()
})

describe('what is not for a caller', () => {
  it(
    'is refused at every route, in every dialect, at the gateway and at the service',
    () => prove(checkMatrix, 5_000),
    5 * minutes,
  )
  it('is not shown or changed by ids of another owner', () => prove(checkOwners, 1_000), 3 * minutes)

  it('is not had by a doctored token, or by one in a wrong place', () => prove(checkTokens, 60), 3 * minutes)

  it('is not had by headers or by the shape of a request', () => prove(checkSpoofing, 200), 3 * minutes)

  it('is not reached by an outbound call', () => prove(checkOutbound, 200), 3 * minutes)

  it(
    'would be reached without a rule, and the corpus finds each rule that is missing',
    () => prove(checkOutboundEdits, 25),
    3 * minutes,
  )

  it('is not had by operators, foreign members or prototypes', () => prove(checkHostileInput, 2_000), 5 * minutes)
})
