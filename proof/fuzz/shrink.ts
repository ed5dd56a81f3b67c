/** Smaller values than this one, the smallest first: without a member, with half a text. */
function* smallerOf(value: unknown): Generator<unknown> {
  if (typeof value === 'string' && value.length > 0) {
    yield ''
    if (value.length > 1) {
      yield value.slice(0, value.length >> 1)
      yield value.slice(value.length >> 1)
      if (value.length <= 64) for (let at = 0; at < value.length; at++) yield value.slice(0, at) + value.slice(at + 1)
    }
  } else if (Array.isArray(value)) {
    if (value.length > 1) {
      yield value.slice(0, value.length >> 1)
      yield value.slice(value.length >> 1)
    }
    for (let at = 0; at < value.length; at++) {
      yield value.toSpliced(at, 1)
      for (const smaller of smallerOf(value[at])) yield value.with(at, smaller)
    }
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    for (const [at, [name, member]] of entries.entries()) {
      yield Object.fromEntries(entries.toSpliced(at, 1))
      for (const smaller of smallerOf(member)) yield Object.fromEntries(entries.with(at, [name, smaller]))
    }
  }
}

/**
 * The smallest value found that still fails, starting from one that does. `tries` bounds the runs of `fails`: what is found by
 * then is the answer.
 */
export async function shrink<T>(value: T, fails: (smaller: T) => Promise<boolean>, tries: number): Promise<T> {
  let smallest = value
  let left = tries
  for (let found = true; found && left > 0; ) {
    found = false
    for (const smaller of smallerOf(smallest)) {
      if (left-- <= 0) break
      if (!(await fails(smaller as T))) continue
      smallest = smaller as T
      found = true
      break
    }
  }
  return smallest
}
