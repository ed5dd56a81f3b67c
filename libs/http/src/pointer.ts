/** Longest name repeated in an answer: what came in must not come back by the kilobyte. */
const longestName = 100

/** A name out of a request, fit to be shown: cut, and without halves of characters. */
export function shownName(name: string): string {
  const cut = name.length > longestName ? `${name.slice(0, longestName)}…` : name
  return cut.toWellFormed().replaceAll('\0', '\u{fffd}')
}

/** A JSON pointer (RFC 6901) into a body: `/schedule/cron`; the whole body is the empty text. */
export function pointerOf(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${shownName(String(part)).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}
