import { RE2JS } from 're2js'

/** A test of texts that takes time in proportion to their length. */
export interface LinearPattern {
  test(text: string): boolean
  /** The pattern; Ajv tells patterns apart by it. */
  toString(): string
}

/** White space of ECMAScript (`\s`), as the inside of a class of RE2, which means ASCII by `\s`. */
const space = '\\t-\\r \\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}\\x{feff}'
/** What `.` stands for without the flag `s`; RE2 leaves out only the line feed. */
const anyInLine = '[^\\n\\r\\x{2028}\\x{2029}]'
/** The pieces of a pattern: an escape, a class, the rest one by one. */
const pieces = /\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\.|\[\^?(?:\\.|[^\]\\])*\]|./gsu
/** What is written otherwise inside a class. */
const insideClass = /\\u\{[\da-fA-F]+\}|\\u[\da-fA-F]{4}|\\.|\[/gsu

function translateEscape(text: string, isInClass: boolean): string {
  if (text === '\\s') return isInClass ? space : `[${space}]`
  if (text === '\\S' && !isInClass) return `[^${space}]`
  if (text.startsWith('\\u')) return `\\x{${text.replace(/\\u|[{}]/g, '')}}`
  return text
}

function translateClass(text: string): string {
  if (text === '[^]') return '(?s:.)'
  if (text.includes('\\S')) throw new SyntaxError('\\S inside a class has no equal in RE2')
  // RE2 takes `[:` for the begin of a named class, ECMAScript for two characters.
  const inside = text.slice(1, -1).replace(insideClass, (one) => (one === '[' ? '\\[' : translateEscape(one, true)))
  return `[${inside}]`
}

function translate(pattern: string): string {
  return pattern.replace(pieces, (piece) => {
    if (piece === '.') return anyInLine
    if (piece.startsWith('[') && piece.length > 1) return translateClass(piece)
    return piece.startsWith('\\') ? translateEscape(piece, false) : piece
  })
}

/** Where the group that begins at `from` ends, behind its parenthesis; -1 where it does not. */
function endOfGroup(pattern: string, from: number): number {
  let depth = 0
  for (const { 0: piece, index } of pattern.slice(from).matchAll(pieces)) {
    if (piece === '(') depth += 1
    if (piece === ')') depth -= 1
    if (depth === 0) return from + index + 1
  }
  return -1
}

/** Whether the pattern has alternatives outside of all groups: `^` belongs to the first one only. */
function hasAlternatives(pattern: string): boolean {
  let depth = 0
  for (const [piece] of pattern.matchAll(pieces)) {
    if (piece === '(') depth += 1
    if (piece === ')') depth -= 1
    if (piece === '|' && depth === 0) return true
  }
  return false
}

/** `^(?!a)(?=b)c` as `^c`, `^(?:a)` which must not be found, and `^(?:b)` which must. */
function splitLookaheads(pattern: string) {
  const wanted: string[] = []
  const unwanted: string[] = []
  let rest = pattern
  for (;;) {
    const kind = /^\^\(\?([!=])/.exec(rest)?.[1]
    if (kind === undefined || hasAlternatives(rest)) return { wanted: [...wanted, rest], unwanted }
    const end = endOfGroup(rest, 1)
    if (end < 0 || /^[?*+{]/.test(rest.slice(end))) throw new SyntaxError('the look-ahead has no end')
    const list = kind === '!' ? unwanted : wanted
    list.push(`^(?:${rest.slice('^(?!'.length, end)}`)
    rest = `^${rest.slice(end)}`
  }
}

/**
 * Compiles a pattern of JSON Schema (ECMAScript, flag `u`) for RE2, which does not go back over the text: a pattern such as
 * `^(a+)+$` takes a native `RegExp` seconds for 30 characters. Look-aheads at the begin of a pattern are tests of their
 * own. Throws a `SyntaxError` or an error of RE2 for what cannot be tested in linear time: other look-around, back-references,
 * and repeats above 1,000.
 */
export function compileLinearPattern(pattern: string, { ignoreCase = false } = {}): LinearPattern {
  const { wanted, unwanted } = splitLookaheads(pattern)
  const flags = ignoreCase ? RE2JS.CASE_INSENSITIVE : 0
  const compileAll = (list: readonly string[]) => list.map((one) => RE2JS.compile(translate(one), flags))
  const [must, mustNot] = [compileAll(wanted), compileAll(unwanted)]
  return {
    test: (text) => must.every((one) => one.test(text)) && !mustNot.some((one) => one.test(text)),
    toString: () => pattern,
  }
}
