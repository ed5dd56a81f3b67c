import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, it } from 'vitest'
import { claims, mended } from './claims.ts'
import { layers } from './layers.ts'
import { describeResults } from './page.ts'
import { type LayerResult, layerNames, mergeResults } from './result.ts'
import { commandOf, resultOf } from './run-layer.ts'
import type { StoredResult } from './stored.ts'

const root = resolve(import.meta.dirname, '../..')

const stored: StoredResult = {
  ...{
    layer: 'simulation',
    date: '2026-01-31',
    commit: 'abc',
    seconds: 90,
    node: 'v26',
    cores: 2,
    command: 'npm run x',
  },
  tried: { seeds: 2000 },
  parts: [{ name: 'mutant a', isAsExpected: false, figures: { seeds: 40 } }],
  found: [
    { rule: 'I6', subject: 'job-1', text: 'two executions', again: 'npm run x -- --seed 17', timeline: ['at 5'] },
  ],
}

it('has each layer once, with a script that is there', async () => {
  expect(layers.map(({ name }) => name)).toEqual(layerNames)
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object }
  const missing = layers.filter(({ usual, campaign }) => !(usual.script in scripts && campaign.script in scripts))
  expect(missing).toEqual([])
})

it('claims each invariant of docs/protocol.md', async () => {
  const page = await readFile(join(root, 'docs/protocol.md'), 'utf8')
  const names = [...page.matchAll(/^\| (I\d+) \|/gm)].map(([, name]) => name)
  expect(names).toHaveLength(13)
  expect(claims.map(({ invariant }) => invariant).filter(Boolean)).toEqual(names)
})

it('names decisions that are there', async () => {
  const decisions = await readdir(join(root, 'docs/decisions'))
  expect(mended.filter(({ decision }) => decision && !decisions.includes(decision))).toEqual([])
})

it('adds up the lines of a layer', () => {
  const lines: LayerResult[] = [
    { layer: 'simulation', tried: { seeds: 1 }, found: [] },
    { layer: 'simulation', tried: { seeds: 3 }, seen: { kills: 1 }, found: stored.found },
  ]
  expect(mergeResults('simulation', lines)).toMatchObject({
    tried: { seeds: 4 },
    seen: { kills: 1 },
    found: stored.found,
  })
})

it('shows what was found, how it is repeated, and what happened', () => {
  const page = describeResults(new Map([['simulation', { usual: stored, campaign: null }]]))
  expect(page).toContain('| [simulation](#simulation) | 2,000 seeds | **1** | 90 s | 2026-01-31, abc |')
  expect(page).toContain('**I6** job-1: two executions Again: `npm run x -- --seed 17`')
  expect(page).toContain('```text\nat 5\n```')
  expect(page).toContain('| mutant a | 40 | **no** |')
})

it('names a layer beside a claim only when it was run', () => {
  const page = describeResults(new Map([['simulation', { usual: stored, campaign: null }]]))
  expect(page).toMatch(/^\| I9 \| .* \| \[simulation\]\(#simulation\) \|$/m)
})

it('shows the command of a run as it is typed', () => {
  expect(commandOf({ script: 'proof:fuzz', args: ['--a', '1'], env: { B: '2' } })).toBe(
    'B=2 npm run proof:fuzz -- --a 1',
  )
})

it('takes a layer that fails without a finding for one', () => {
  const run = { script: 'proof:crash' }
  const lines: LayerResult[] = [{ layer: 'crash', tried: { tests: 72 }, found: [] }]
  expect(resultOf('crash', run, lines, { code: 0, signal: null }).found).toEqual([])
  const [found] = resultOf('crash', run, lines, { code: null, signal: 'SIGKILL' }).found
  expect(found).toMatchObject({ rule: 'end', text: 'it ended with SIGKILL', again: 'npm run proof:crash' })
})
