import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'
import { parse } from 'acorn'

/**
 * Loaded into a Belfry before its own code (`node --import`). It puts a record around every function body of ours, and
 * appends one line of JSON to the file PATH_RECORD for each `POST /jobs`. path.ts says what the records mean.
 */

/** A function that was entered and the one that called it, as `file:line:column`; null: none of ours is on the stack. */
export type Entry = readonly [callee: string, caller: string | null]
/** Between the marks lie the legs; a verb of the store stands where its `write` ends. */
export type Mark = 'arrived' | 'answered' | (typeof verbs)[number]
export type Recording = readonly (Entry | Mark)[]

const verbs = ['executions.insert', 'executions.claim', 'executions.finish'] as const

/** A call at work. `caller` is the call that goes on when this one returns or waits: null once it has waited. */
interface Frame {
  readonly place: string
  readonly verb: Mark | undefined
  caller: Frame | null
}

const places: string[] = []
let recording: (Entry | Mark)[] | null = null
let current: Frame | null = null

function enter(place: number, firstArgument?: unknown): Frame {
  const verb = verbs.find((one) => one === firstArgument)
  const frame = { place: places[place] as string, verb, caller: current }
  recording?.push([frame.place, current?.place ?? null])
  current = frame
  return frame
}

function exit({ verb, caller }: Frame): void {
  current = caller
  if (!verb || !recording) return
  recording.push(verb)
  if (verb !== 'executions.finish') return
  appendFileSync(String(process.env.PATH_RECORD), `${JSON.stringify(recording)}\n`)
  recording = null
}

/** Before an `await` or a `yield`. */
function leave<T>(frame: Frame, value: T): T {
  current = frame.caller
  frame.caller = null
  return value
}

/** After it. */
function back<T>(frame: Frame, value?: T): T | undefined {
  if (current !== frame) frame.caller = current
  current = frame
  return value
}

// biome-ignore lint/suspicious/noExplicitAny: the walk looks at any kind of acorn's nodes
type AnyNode = any

const childrenOf = (node: AnyNode): AnyNode[] =>
  Object.values(node)
    .flat()
    .filter((value: AnyNode) => value?.type)

/** The same code with the records in it; lines stay where they are. */
function instrument(file: string, source: string): string {
  const inserts: [at: number, text: string][] = []

  function around(start: number, end: number, before: string, after: string, inside: () => void): void {
    inserts.push([start, before])
    inside()
    inserts.push([end, after])
  }

  function visitFunction({ loc, params, body }: AnyNode): void {
    const number = places.push(`${file}:${loc.start.line}:${loc.start.column + 1}`) - 1
    const first = params[0]?.type === 'Identifier' ? params[0].name : 'undefined'
    const before = `const $f=$path.enter(${number},${first});try{`
    const after = '}finally{$path.exit($f)}'
    for (const param of params) visit(param, false)
    const inside = () => visit(body, true)
    if (body.type === 'BlockStatement') around(body.start + 1, body.end - 1, before, after, inside)
    else around(body.start, body.end, `{${before}return (`, `)${after}}`, inside)
  }

  function visit(node: AnyNode, isInFunction: boolean): void {
    const inside = () => {
      for (const child of childrenOf(node)) visit(child, isInFunction)
    }
    if (/Function/.test(node.type)) visitFunction(node)
    else if (!isInFunction) inside()
    else if (node.argument && /^(Await|Yield)Expression$/.test(node.type)) {
      const { start, end } = node.argument
      around(node.start, node.end, '$path.back($f,', ')', () => around(start, end, '$path.leave($f,', ')', inside))
    } else if (node.type === 'ForOfStatement' && node.await) {
      // Each turn of the loop begins with an `await`, and so does what follows it.
      const { left, right, body } = node
      visit(left, true)
      around(node.start, node.end, '{', '$path.back($f)}', () => {
        around(right.start, right.end, '$path.leave($f,', ')', () => visit(right, true))
        around(body.start, body.end, '{$path.back($f);try{', '}finally{$path.leave($f)}}', () => visit(body, true))
      })
    } else {
      for (const block of node.type === 'TryStatement' ? [node.handler?.body, node.finalizer] : []) {
        if (block) inserts.push([block.start + 1, '$path.back($f);'])
      }
      inside()
    }
  }

  visit(parse(source, { ecmaVersion: 'latest', sourceType: 'module', locations: true, preserveParens: true }), false)
  let text = ''
  let from = 0
  for (const [at, insert] of inserts.sort(([a], [b]) => a - b)) {
    text += source.slice(from, at) + insert
    from = at
  }
  return text + source.slice(from)
}

const root = join(import.meta.dirname, '..')

// The store thread loads this file too.
if (isMainThread) {
  Object.assign(globalThis, { $path: { enter, exit, leave, back } })
  registerHooks({
    load(url, context, nextLoad) {
      const file = url.startsWith('file:') ? relative(root, fileURLToPath(url)) : ''
      const loaded = nextLoad(url, context)
      if (!/^(apps|libs)\/[^/]+\/src\/.*\.ts$/.test(file)) return loaded
      return { format: 'module', source: instrument(file, stripTypeScriptTypes(String(loaded.source))) }
    },
  })
  let first: IncomingMessage | null = null
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage }
    // The gateway sends the same request on to a service; the recording has begun by then.
    if (recording || request.method !== 'POST' || request.url !== '/jobs') return
    first = request
    recording = ['arrived']
  })
  subscribe('http.server.response.finish', (message) => {
    if ((message as { request: IncomingMessage }).request === first) recording?.push('answered')
  })
}
