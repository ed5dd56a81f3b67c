import { remembered } from './search/remember.ts'
import type { World } from './world.ts'

/** The same value with the two executors exchanged, wherever they are named. */
const exchanged = remembered(<T extends object>(value: T): T => {
  const text = JSON.stringify(value).replace(
    /"([ab])(\d)"/g,
    (_, seat, number) => `"${seat === 'a' ? 'b' : 'a'}${number}"`,
  )
  return JSON.parse(text)
}) as <T extends object>(value: T) => T

const textOf = remembered((value: object) => JSON.stringify(value))

const sorted = remembered((names: readonly string[]) => names.toSorted())

/**
 * One of the two states that differ only in which executor is which: both have the same future, since no rule looks at the name of
 * an executor but to compare it.
 */
export function mirrored(world: World): World {
  const { a, b, alive, first, second, manual } = world
  if (!a || !b) return world
  const other = exchanged(b)
  if (textOf(a) < textOf(other)) return world
  const mirror = {
    a: other,
    b: exchanged(a),
    alive: sorted(exchanged(alive)),
    first: first && exchanged(first),
    second: second && exchanged(second),
    manual: manual && exchanged(manual),
  }
  if (textOf(a) > textOf(other)) return { ...world, ...mirror }
  for (const name of ['alive', 'first', 'second', 'manual'] as const) {
    const [mine, theirs] = [textOf(world[name] ?? []), textOf(mirror[name] ?? [])]
    if (mine !== theirs) return mine < theirs ? world : { ...world, ...mirror }
  }
  return world
}
