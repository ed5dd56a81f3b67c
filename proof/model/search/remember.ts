/** A number for each object that is named in a key. */
const numbers = new WeakMap<object, number>()
let newest = 0

function keyOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value)
  const known = numbers.get(value)
  if (known !== undefined) return `#${known}`
  newest += 1
  numbers.set(value, newest)
  return `#${newest}`
}

/**
 * The same function, which works each answer out once. Objects are told apart by identity: the fields of states that are read are the
 * same objects wherever their values are the same.
 */
export function remembered<First extends object, Rest extends readonly unknown[], Answer>(
  compute: (first: First, ...rest: Rest) => Answer,
): (first: First, ...rest: Rest) => Answer {
  const answers = new WeakMap<First, Map<string, Answer>>()
  return (first, ...rest) => {
    let ofFirst = answers.get(first)
    if (ofFirst === undefined) {
      ofFirst = new Map()
      answers.set(first, ofFirst)
    }
    let key = ''
    for (const one of rest) key += `${keyOf(one)} `
    const known = ofFirst.get(key)
    if (known !== undefined || ofFirst.has(key)) return known as Answer
    const answer = compute(first, ...rest)
    ofFirst.set(key, answer)
    return answer
  }
}
