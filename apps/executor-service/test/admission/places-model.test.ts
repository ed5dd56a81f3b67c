import type { ExecutionState, OverlapPolicy } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { type Admission, openAdmission, takePlace } from '../../src/admission/admission.ts'

/**
 * Every order of steps of a few executions of one job on executors that read and write in between each other: a claim, the read
 * of the admission, the read of the states, the compare-and-set, what it leads to, an end, a retry, and a loss at any moment.
 */
type Phase =
  | 'ready'
  | 'claimed'
  | 'admission-read'
  | 'states-read'
  | 'to-start'
  | 'to-wait'
  | 'to-skip'
  | 'at-work'
  | 'over'

interface One {
  readonly phase: Phase
  /** What this claim has read. */
  readonly admission: Admission | null
  readonly states: Readonly<Record<string, ExecutionState>> | null
}

interface World {
  readonly admission: Admission
  readonly ones: Readonly<Record<string, One>>
  /** Losses and retries that may still happen. */
  readonly troubles: number
}

const stateOf = ({ phase }: One): ExecutionState =>
  phase === 'ready' ? 'ready' : phase === 'over' ? 'succeeded' : 'running'

function put(world: World, id: string, change: Partial<One>, more: Partial<World> = {}): World {
  const one = { ...(world.ones[id] as One), ...change }
  return { ...world, ...more, ones: { ...world.ones, [id]: one } }
}

const back = (phase: Phase) => ({ phase, admission: null, states: null })
const statesOf = (world: World) => Object.fromEntries(Object.entries(world.ones).map(([id, one]) => [id, stateOf(one)]))

/** The compare-and-set of a claim, by what it has read. */
function decide(world: World, id: string, { admission, states }: One, overlap: OverlapPolicy): World {
  const from = admission as Admission
  const { admission: to, ...answer } = takePlace(from, id, overlap, (other) => states?.[other])
  if (to !== from && world.admission.rev !== from.rev) return put(world, id, back('claimed'))
  const phase = ({ start: 'to-start', wait: 'to-wait', skip: 'to-skip' } as const)[answer.decision]
  return put(world, id, back(phase), to === from ? {} : { admission: to })
}

/** All worlds that one step makes of this one. */
function next(world: World, overlap: OverlapPolicy): World[] {
  const worlds: World[] = []
  for (const [id, one] of Object.entries(world.ones)) {
    const { phase } = one
    if (phase === 'ready') worlds.push(put(world, id, back('claimed')))
    if (phase === 'claimed') worlds.push(put(world, id, { phase: 'admission-read', admission: world.admission }))
    if (phase === 'admission-read') worlds.push(put(world, id, { phase: 'states-read', states: statesOf(world) }))
    if (phase === 'states-read') worlds.push(decide(world, id, one, overlap))
    if (phase === 'to-start') worlds.push(put(world, id, back('at-work')))
    if (phase === 'to-wait') worlds.push(put(world, id, back('ready')))
    if (phase === 'to-skip' || phase === 'at-work') worlds.push(put(world, id, back('over')))
    // A loss, or a failure with a retry left.
    if (phase !== 'ready' && phase !== 'over' && world.troubles > 0)
      worlds.push(put(world, id, back('ready'), { troubles: world.troubles - 1 }))
  }
  return worlds
}

function explore(overlap: OverlapPolicy, count: number, troubles: number) {
  const ids = Array.from({ length: count }, (_, n) => `exe-${n + 1}`)
  const first: World = {
    admission: openAdmission('job-1'),
    ones: Object.fromEntries(ids.map((id) => [id, back('ready')])),
    troubles,
  }
  const keyOf = (world: World) => JSON.stringify(world)
  const before = new Map<string, string[]>([[keyOf(first), []]])
  const ends: string[] = []
  let mostAtWork = 0
  for (const queue = [first]; queue.length > 0; ) {
    const world = queue.pop() as World
    const key = keyOf(world)
    const ones = Object.values(world.ones)
    mostAtWork = Math.max(mostAtWork, ones.filter(({ phase }) => phase === 'at-work').length)
    expect(world.admission.places.length).toBeLessThanOrEqual(overlap.limit)
    expect(world.admission.waiting.length).toBeLessThanOrEqual(1)
    if (ones.every(({ phase }) => phase === 'over')) ends.push(key)
    for (const after of next(world, overlap)) {
      const known = before.get(keyOf(after))
      if (known) known.push(key)
      else {
        before.set(keyOf(after), [key])
        queue.push(after)
      }
    }
  }
  const canEnd = new Set(ends)
  for (const queue = [...ends]; queue.length > 0; )
    for (const key of before.get(queue.pop() as string) ?? [])
      if (!canEnd.has(key)) {
        canEnd.add(key)
        queue.push(key)
      }
  return { worlds: before.size, mostAtWork, stuck: before.size - canEnd.size }
}

describe('overlap places, whatever the order of the steps of several executors', () => {
  it.each([
    ['skip', 1, 3, 1],
    ['queue', 1, 3, 1],
    ['queue', 2, 3, 1],
    ['cancel-running', 1, 3, 1],
  ] as const)(
    'are never more than the limit, and nothing waits for ever: %s, limit %i',
    (policy, limit, count, troubles) => {
      const { worlds, mostAtWork, stuck } = explore({ policy, limit }, count, troubles)
      expect(worlds).toBeGreaterThan(1000)
      expect({ mostAtWork, stuck }).toEqual({ mostAtWork: limit, stuck: 0 })
    },
  )
})
