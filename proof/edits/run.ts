import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type LayerResult, type Part, recordResult } from '../report/result.ts'
import { copyTree } from './copy.ts'
import type { Edit } from './edit.ts'
import { applyEdit, edits } from './index.ts'

const { values } = parseArgs({
  options: {
    /** Only the edit of this name. */
    edit: { type: 'string' },
    /** Appends the result to this file (proof/README.md). */
    json: { type: 'string' },
  },
})

/** States after which a search of the model is given up: a violation is found long before, and a search without one takes longer. */
const mostStates = '150000'
/** When a search or a test is taken for one that hangs, which counts as found, milliseconds. */
const longestMs = 180_000

/** What has reported an edit: null when nothing did. */
interface Caught {
  readonly by: string
  readonly seconds: number
}

interface Verdict {
  readonly model: Caught | null
  readonly tests: Caught | null
}

async function run(
  cwd: string,
  command: string,
  args: readonly string[],
): Promise<{ failed: boolean; isLate: boolean; output: string }> {
  const child = spawn(command, args, { cwd, env: { ...process.env, NO_COLOR: '1' }, timeout: longestMs })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const [code, signal] = await once(child, 'close')
  return { failed: code !== 0, isLate: signal !== null, output }
}

/** Searches until one of them finds something wrong. A search that is given up has found nothing. */
async function askModel(folder: string, { searches }: Edit): Promise<Caught | null> {
  const since = performance.now()
  const file = join(folder, 'model.jsonl')
  for (const name of searches) {
    rmSync(file, { force: true })
    const args = ['proof/model/run.ts', '--configuration', name, '--states', mostStates, '--json', file]
    const { failed, isLate, output } = await run(folder, process.execPath, args)
    if (!failed) continue
    const seconds = Math.round((performance.now() - since) / 100) / 10
    const lines = readFileSync(file, { encoding: 'utf8', flag: 'a+' }).split('\n').filter(Boolean)
    const found = lines.flatMap((line) => (JSON.parse(line) as LayerResult).found)
    if (isLate) return { by: `${name}: it does not come to an end`, seconds }
    if (lines.length === 0)
      return { by: `${name}: ${/^\w*Error: .*/m.exec(output)?.[0] ?? 'it does not run'}`, seconds }
    if (found.some(({ rule }) => rule !== 'search')) return { by: `${name}: ${found[0]?.rule}`, seconds }
  }
  return null
}

/** The tests that fail. */
async function askTests(folder: string, { tests }: Edit): Promise<Caught | null> {
  const since = performance.now()
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--root', '.', '--maxWorkers=1', '--bail=1', ...tests]
  const { failed, output } = await run(folder, process.execPath, args)
  if (!failed) return null
  const seconds = Math.round((performance.now() - since) / 100) / 10
  const [, failure = 'a test'] = /^ *FAIL +(.*)$/m.exec(output) ?? []
  return { by: failure.replace(/^\|[^|]*\| +/, '').trim(), seconds }
}

const shown = (caught: Caught | null) => (caught ? `${caught.by} (${caught.seconds} s)` : 'nothing')

function partOf({ name, about }: Edit, { model, tests }: Verdict): Part {
  return {
    name,
    isAsExpected: model !== null || tests !== null,
    figures: { 'model, s': model?.seconds ?? 0, 'tests, s': tests?.seconds ?? 0 },
    note: `${about}. Model: ${model?.by ?? 'nothing'}. Tests: ${tests?.by ?? 'nothing'}`,
  }
}

async function tryEdit(folder: string, edit: Edit): Promise<Verdict> {
  const path = join(folder, edit.file)
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, applyEdit(edit, text))
  try {
    return { model: await askModel(folder, edit), tests: await askTests(folder, edit) }
  } finally {
    writeFileSync(path, text)
  }
}

const chosen = edits.filter(({ name }) => values.edit === undefined || name === values.edit)
if (chosen.length === 0) throw new Error(`there is no edit of the name "${values.edit}"`)
const copy = copyTree()
const parts: Part[] = []
try {
  // Without an edit nothing may fail: else an edit would seem to be found.
  const tests = [...new Set(chosen.flatMap((edit) => edit.tests))]
  const all = { ...(chosen[0] as Edit), searches: ['moved'], tests }
  const before = { model: await askModel(copy.path, all), tests: await askTests(copy.path, all) }
  if (before.model || before.tests)
    throw new Error(`without an edit: model: ${shown(before.model)}; tests: ${shown(before.tests)}`)
  for (const edit of chosen) {
    const verdict = await tryEdit(copy.path, edit)
    const part = partOf(edit, verdict)
    parts.push(part)
    console.log(
      `${edit.name.padEnd(34)} ${part.isAsExpected ? '' : 'NOT FOUND '}model: ${shown(verdict.model)}; tests: ${shown(verdict.tests)}`,
    )
  }
} finally {
  copy.remove()
}
const missed = parts.filter(({ isAsExpected }) => !isAsExpected)
recordResult(
  {
    layer: 'edits',
    tried: { edits: parts.length },
    seen: {
      'found by the model': parts.filter(({ figures }) => figures['model, s'] !== 0).length,
      'found by tests': parts.filter(({ figures }) => figures['tests, s'] !== 0).length,
    },
    parts,
    found: missed.map(({ name, note = '' }) => ({
      rule: 'edit',
      subject: name,
      text: note,
      again: `npm run proof:edits -- --edit ${name}`,
    })),
  },
  values.json ?? process.env.BELFRY_PROOF_JSON,
)
console.log(`${parts.length} edits, ${missed.length} not found`)
process.exitCode = missed.length === 0 ? 0 : 1
