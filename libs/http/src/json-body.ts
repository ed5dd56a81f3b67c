import { isUtf8 } from 'node:buffer'
import type { ValidationIssue } from '@belfry/contracts'
import { describeJsonIssue } from './json-issue.ts'
import { hasLongObject } from './long-objects.ts'
import { pointerOf } from './pointer.ts'

/** How deep lists and objects may lie in each other: far beyond any body of ours, far below what overflows a stack. */
const deepest = 64
/**
 * Names that one object may have. An object of 200,000 different names, which 4 MiB hold, took the process half a second to read
 * and check. Bodies of up to 256 KiB cannot have enough of them to matter.
 */
const mostMembers = 10_000
const smallBytes = 256 * 1024
/** Issues that one answer names: enough to correct the body, too few to make the answer an amplifier. */
const issuesLimit = 50

/** A body that is no JSON, or JSON that we do not take. Leaves as 400 with its issues. */
export class MalformedBody extends Error {
  readonly issues: readonly ValidationIssue[]
  constructor(issues: readonly ValidationIssue[]) {
    super('the body is malformed')
    this.name = 'MalformedBody'
    this.issues = issues
  }
}

type Path = (string | number)[]

/** What is wrong with a text of a request; undefined when it may be stored. */
export function textIssue(text: string): string | undefined {
  if (text.includes('\0')) return 'must not contain the character U+0000'
  return text.isWellFormed() ? undefined : 'must not contain half of a surrogate pair'
}

function keyIssue(key: string, value: unknown): Omit<ValidationIssue, 'pointer'> | undefined {
  const poisons =
    key === '__proto__' ||
    (key === 'constructor' && typeof value === 'object' && value !== null && Object.hasOwn(value, 'prototype'))
  if (poisons) return { code: 'forbidden-name', detail: `"${key}" is not taken as a name` }
  const wrong = textIssue(key)
  return wrong === undefined ? undefined : { code: 'bad-character', detail: `the name ${wrong}` }
}

function inspectValue(value: unknown, path: Path, issues: ValidationIssue[]): void {
  if (issues.length >= issuesLimit) return
  if (typeof value === 'string') {
    const wrong = textIssue(value)
    if (wrong !== undefined) issues.push({ pointer: pointerOf(path), code: 'bad-character', detail: wrong })
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) issues.push({ pointer: pointerOf(path), code: 'too-large', detail: 'is too large' })
  } else if (typeof value === 'object' && value !== null) {
    if (path.length >= deepest) {
      issues.push({ pointer: pointerOf(path), code: 'too-deep', detail: `lies deeper than ${deepest} levels` })
    } else inspectMembers(value, path, issues)
  }
}

function inspectMembers(value: object, path: Path, issues: ValidationIssue[]): void {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      path.push(i)
      inspectValue(value[i], path, issues)
      path.pop()
    }
    return
  }
  for (const [key, member] of Object.entries(value)) {
    path.push(key)
    const wrong = keyIssue(key, member)
    if (wrong) issues.push({ pointer: pointerOf(path), ...wrong })
    else inspectValue(member, path, issues)
    path.pop()
  }
}

/** The issues that no schema allows: U+0000, half characters, prototypes, infinite numbers, deep nests. */
function inspectJson(value: unknown): ValidationIssue[] {
  const issues: ValidationIssue[] = []
  inspectValue(value, [], issues)
  return issues
}

/** Only by an escape can U+0000 or half a character come into valid UTF-8, and only by its name a prototype. */
function mayHoldIssues(text: string): boolean {
  return text.includes('\\u') || text.includes('__proto__') || text.includes('constructor')
}

/** The rest of the inspection, without a path: it adds a seventh to the parsing, and nearly every body passes. */
function isTame(value: unknown, levels: number): boolean {
  if (typeof value === 'number') return Number.isFinite(value)
  if (typeof value !== 'object' || value === null) return true
  if (levels === 0) return false
  // An index over an array: `for … in` would cost more than the parsing.
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value)
  for (let i = 0; i < members.length; i++) if (!isTame(members[i], levels - 1)) return false
  return true
}

function issuesOf(text: string, value: unknown): ValidationIssue[] {
  return !mayHoldIssues(text) && isTame(value, deepest) ? [] : inspectJson(value)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new MalformedBody([{ pointer: '', code: 'not-json', detail: describeJsonIssue(text) }])
  }
}

/** The value of a JSON body; undefined for an empty one, which a route may take. Throws `MalformedBody`. */
export function readJsonBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  if (!isUtf8(bytes)) throw new MalformedBody([{ pointer: '', code: 'not-utf-8', detail: 'is not UTF-8 text' }])
  if (bytes.length > smallBytes && hasLongObject(bytes, mostMembers)) {
    const detail = `has an object with more than ${mostMembers} names`
    throw new MalformedBody([{ pointer: '', code: 'too-large', detail }])
  }
  // Some editors begin a file with a byte order mark; RFC 8259 section 8.1 lets a reader ignore it.
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  const value = parse(text)
  const issues = issuesOf(text, value)
  if (issues.length > 0) throw new MalformedBody(issues)
  return value
}
