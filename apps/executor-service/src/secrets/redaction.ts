/** Replaces the values of secrets in what an attempt leaves behind. */
export interface Redaction {
  text(text: string): string
  /** A value of JSON: its texts and the names of its fields. */
  value(value: unknown): unknown
}

/** The spellings in which a value turns up: as it is, in JSON, in an address, in Base64. */
function spellingsOf(value: string): string[] {
  const inJson = JSON.stringify(value).slice(1, -1)
  const inForm = new URLSearchParams([['', value]]).toString().slice(1)
  const bytes = Buffer.from(value)
  return [
    value,
    inJson,
    encodeURIComponent(value.toWellFormed()),
    inForm,
    bytes.toString('base64'),
    bytes.toString('base64url'),
  ]
}

/**
 * Each value of a secret becomes `[secret:NAME]`, in each of the spellings. A longer value goes first, so that a value that is a part
 * of another one leaves nothing of it.
 */
export function createRedaction(values: ReadonlyMap<string, string>): Redaction {
  const names = new Map<string, string>()
  for (const [name, value] of values)
    for (const spelling of spellingsOf(value)) if (!names.has(spelling)) names.set(spelling, name)
  const spellings = [...names.keys()].toSorted((a, b) => b.length - a.length)
  const pattern = new RegExp(spellings.map((one) => RegExp.escape(one)).join('|'), 'g')

  const text = (given: string) => given.replaceAll(pattern, (found) => `[secret:${names.get(found)}]`)
  const value = (given: unknown): unknown => {
    if (typeof given === 'string') return text(given)
    if (typeof given !== 'object' || given === null) return given
    if (Array.isArray(given)) return given.map(value)
    return Object.fromEntries(Object.entries(given).map(([name, part]) => [text(name), value(part)]))
  }
  return { text, value }
}
