const quote = 0x22
const backslash = 0x5c
const colon = 0x3a
const [brace, bracket, braceEnd, bracketEnd] = [0x7b, 0x5b, 0x7d, 0x5d]
/** Objects that lie deeper share one count. */
const countedLevels = 128

/** The index of the quote that ends the text which begins at `start`. */
function endOfText(bytes: Buffer, start: number): number {
  let at = start
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1
  return at
}

/**
 * Whether JSON text has an object with more than `most` members. It counts colons outside of texts and parses nothing, so that it
 * takes a few milliseconds for a megabyte, whatever stands there.
 */
export function hasLongObject(bytes: Buffer, most: number): boolean {
  const counts = new Int32Array(countedLevels)
  let level = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    const slot = Math.min(level, countedLevels - 1)
    if (byte === quote) at = endOfText(bytes, at + 1)
    else if (byte === colon) {
      counts[slot] = (counts[slot] ?? 0) + 1
      if ((counts[slot] ?? 0) > most) return true
    } else if (byte === brace || byte === bracket) {
      level += 1
      counts[Math.min(level, countedLevels - 1)] = 0
    } else if (byte === braceEnd || byte === bracketEnd) level = Math.max(0, level - 1)
  }
  return false
}
