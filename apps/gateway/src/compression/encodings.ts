/** The encodings that answers can have, the one that makes them smallest first. */
const encodings = ['br', 'gzip'] as const
export type Encoding = (typeof encodings)[number]

/** `gzip;q=0.8` in a list: the name and its weight (RFC 9110, 12.4.2 and 12.5.3). */
const item = /^\s*([a-z*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?$/

/** Longest `Accept-Encoding` that is read, characters. */
const longestAccept = 200

function weightsOf(accept: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const one of accept.toLowerCase().split(',')) {
    const found = item.exec(one)
    if (found) weights.set(found[1] as string, Number(found[2] ?? 1))
  }
  return weights
}

/** The encoding that a client takes best; null when it wants the answer as it is. */
export function chooseEncoding(accept: string): Encoding | null {
  if (accept.length > longestAccept) return null
  const weights = weightsOf(accept)
  const weightOf = (name: string) => weights.get(name) ?? weights.get('*') ?? 0
  let chosen: Encoding | null = null
  let best = weights.get('identity') ?? 0
  for (const one of encodings) {
    const weight = weightOf(one)
    if (weight > 0 && (chosen === null ? weight >= best : weight > best)) [chosen, best] = [one, weight]
  }
  return chosen
}
