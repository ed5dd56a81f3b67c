/** Where a text stops being JSON (RFC 8259): an index into it, and what must stand there. */
interface JsonIssue {
  readonly at: number
  readonly wanted: string
}

const simple = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)/y
const space = /[ \t\n\r]*/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these inside a string.
const plain = /[^"\\\u0000-\u001f]*/y
const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Where a match of the sticky pattern that begins at `from` ends; -1 when there is none. */
function endOf(pattern: RegExp, text: string, from: number): number {
  pattern.lastIndex = from
  return pattern.test(text) ? pattern.lastIndex : -1
}

/** The end of the string whose opening quote stands at `from`. */
function endOfString(text: string, from: number): number | JsonIssue {
  for (let at = from + 1; ; ) {
    at = endOf(plain, text, at)
    if (text[at] === '"') return at + 1
    if (text[at] === undefined) return { at, wanted: 'the closing double quote' }
    const end = endOf(escaped, text, at)
    if (end < 0) return { at, wanted: 'an escape such as "\\n" or "\\u000a"' }
    at = end
  }
}

/** The end of the number or word at `from`. */
function endOfSimple(text: string, from: number, wanted: string): number | JsonIssue {
  const end = endOf(simple, text, from)
  return end < 0 ? { at: from, wanted } : end
}

/** What comes next: `first` ones stand right after an opening bracket, where the closing one may follow too. */
type State = 'value' | 'first value' | 'name' | 'first name' | 'colon' | 'next' | 'end'

const wants: Record<Exclude<State, 'next'>, string> = {
  value: 'a value',
  'first value': 'a value or "]"',
  name: 'a name in double quotes',
  'first name': 'a name in double quotes or "}"',
  colon: '":"',
  end: 'the end',
}

/**
 * The first position at which `text` is no JSON; null when it is JSON. V8's own message names it in some cases only.
 * The text is read once with a stack of its own, so neither its depth nor its length matters.
 */
export function findJsonIssue(text: string): JsonIssue | null {
  const closers: string[] = []
  let state: State = 'value'
  for (let at = 0; ; ) {
    at = endOf(space, text, at)
    const char = text[at]
    const closer = closers.at(-1)
    const wanted: string = state === 'next' ? `"," or "${closer}"` : wants[state]
    if (char === undefined && state === 'end') return null
    if (char === closer && (state === 'next' || state.startsWith('first'))) {
      closers.pop()
      at += 1
      state = closers.length > 0 ? 'next' : 'end'
    } else if (state === 'colon' || state === 'next') {
      if (char !== (state === 'colon' ? ':' : ',')) return { at, wanted }
      at += 1
      state = state === 'next' && closer === '}' ? 'name' : 'value'
    } else if (state === 'name' || state === 'first name') {
      const end = char === '"' ? endOfString(text, at) : { at, wanted }
      if (typeof end !== 'number') return end
      at = end
      state = 'colon'
    } else if (state !== 'end' && (char === '{' || char === '[')) {
      closers.push(char === '{' ? '}' : ']')
      at += 1
      state = char === '{' ? 'first name' : 'first value'
    } else {
      const end =
        state === 'end' ? { at, wanted } : char === '"' ? endOfString(text, at) : endOfSimple(text, at, wanted)
      if (typeof end !== 'number') return end
      at = end
      state = closers.length > 0 ? 'next' : 'end'
    }
  }
}

/** What is wrong with a text that is no JSON: line and column, counted from 1 in characters of UTF-16, and what is wanted. */
export function describeJsonIssue(text: string): string {
  const issue = findJsonIssue(text)
  if (issue === null) return 'is not JSON'
  const before = text.slice(0, issue.at)
  const line = before.split('\n').length
  const column = issue.at - before.lastIndexOf('\n')
  const found = text.codePointAt(issue.at)
  const shown = found === undefined ? 'the text ends' : `${JSON.stringify(String.fromCodePoint(found))} stands there`
  return `is not JSON: at line ${line}, column ${column} ${issue.wanted} is expected, but ${shown}`
}
