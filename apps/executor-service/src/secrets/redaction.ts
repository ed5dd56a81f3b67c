/** Replaces the values of secrets in what an attempt leaves behind. */
export interface Redaction {
  text(text: string): string
  /** A value of JSON: its texts and the names of its fields. */
  value(value: unknown): unknown
}

/** A shorter piece of a value at the end of a text tells little, and turns up by chance. */
const leastCut = 8

/**
 * What stands in the Base64 of a longer text for a value in it, wherever the value begins: three bytes are four characters, so there are three
 * ways. The characters at both ends that other bytes share are left out.
 */
function insideBase64(bytes: Buffer, encoding: 'base64' | 'base64url'): string[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding)
    return text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
  })
}

/** The spellings in which a value turns up: as it is, in JSON, in an address, in Base64, in hexadecimal digits. */
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
    ...insideBase64(bytes, 'base64'),
    ...insideBase64(bytes, 'base64url'),
    bytes.toString('hex'),
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

  const markOf = (spelling: string) => `[secret:${names.get(spelling)}]`
  /** A text that was cut off may end with the first part of a value. */
  const withoutCut = (given: string): string => {
    let [from, mark] = [given.length, '']
    for (const spelling of spellings) {
      const start = spelling.slice(0, leastCut)
      const first = Math.max(0, given.length - spelling.length + 1)
      if (spelling.length <= leastCut) continue
      for (let at = given.indexOf(start, first); at >= 0 && at < from; at = given.indexOf(start, at + 1))
        if (spelling.startsWith(given.slice(at))) [from, mark] = [at, markOf(spelling)]
    }
    return given.slice(0, from) + mark
  }
  const text = (given: string) => withoutCut(given.replaceAll(pattern, markOf))
  const value = (given: unknown): unknown => {
    if (typeof given === 'string') return text(given)
    if (typeof given !== 'object' || given === null) return given
    if (Array.isArray(given)) return given.map(value)
    return Object.fromEntries(Object.entries(given).map(([name, part]) => [text(name), value(part)]))
  }
  return { text, value }
}
