import { claims, limits, type Mended, mended } from './claims.ts'
import { type Layer, layerOf, layers, type Size } from './layers.ts'
import type { Figures, LayerName, Part } from './result.ts'
import { readStored, type StoredResult } from './stored.ts'

type Results = ReadonlyMap<LayerName, { readonly usual: StoredResult | null; readonly campaign: StoredResult | null }>

const number = (count: number) => count.toLocaleString('en')
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
const row = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]) => [
  row(head),
  `|${'---|'.repeat(head.length)}`,
  ...rows.map(row),
  '',
]

function listOf(figures: Figures | undefined): string {
  return Object.entries(figures ?? {})
    .map(([name, count]) => `${number(count)} ${name}`)
    .join(', ')
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}

const anchorOf = (title: string) => title.toLowerCase().replaceAll(' ', '-')
const linkTo = (name: LayerName) => `[${layerOf(name).title.toLowerCase()}](#${anchorOf(layerOf(name).title)})`

/** The claims, with the layers that tried to break each one: without those that were never run. */
function describeClaims(results: Results): string[] {
  const hasRun = (name: LayerName) => results.get(name)?.usual || results.get(name)?.campaign
  return table(
    ['', 'claim', 'tried by'],
    claims.map(({ invariant, text, layers: by }) => [invariant, text, by.filter(hasRun).map(linkTo).join(', ')]),
  )
}

const outcome = ({ found }: StoredResult) => (found.length === 0 ? 'nothing' : `**${found.length}**`)

function describeRuns(results: Results): string[] {
  const rows = [...results].flatMap(([name, { usual, campaign }]) =>
    [usual, campaign]
      .filter((one) => one !== null)
      .map((one) => [
        linkTo(name),
        listOf(one.tried),
        outcome(one),
        duration(one.seconds),
        `${one.date}, ${one.commit}`,
      ]),
  )
  return table(['layer', 'tried', 'found', 'took', 'last run'], rows)
}

function describeMended(): string[] {
  const textOf = ({ text, decision }: Mended) =>
    decision ? `${text} [Decision ${decision.slice(0, 3)}](decisions/${decision})` : text
  return table(
    ['found by', 'what it was'],
    mended.map((one) => [linkTo(one.layer), textOf(one)]),
  )
}

/** The parts of a run in tables: those with the same figures are one table. */
function describeParts(parts: readonly Part[]): string[] {
  const groups = Map.groupBy(parts, ({ figures }) => Object.keys(figures).join(' '))
  return [...groups.values()].flatMap((group) => {
    const columns = Object.keys(group[0]?.figures ?? {})
    const hasNotes = group.some(({ note }) => note)
    return table(
      ['', ...columns, ...(hasNotes ? ['what'] : []), 'as expected'],
      group.map(({ name, figures, note, isAsExpected }) => [
        name,
        ...columns.map((column) => number(figures[column] ?? 0)),
        ...(hasNotes ? [note ?? ''] : []),
        isAsExpected ? 'yes' : '**no**',
      ]),
    )
  })
}

function describeRun(title: string, result: StoredResult): string[] {
  const { command, date, commit, seconds, node, cores, servers, tried, injected, seen, parts = [], found } = result
  return [
    `**${title}**, \`${command}\`, ${date}, commit ${commit}, Node ${node}, ${cores} cores${servers ? `, ${servers}` : ''}, ${duration(seconds)}:`,
    '',
    `- Tried: ${listOf(tried)}.`,
    ...(listOf(injected) ? [`- Made to go wrong: ${listOf(injected)}.`] : []),
    ...(listOf(seen) ? [`- Happened: ${listOf(seen)}.`] : []),
    `- Found: ${found.length === 0 ? 'nothing' : found.length}.`,
    '',
    ...found.flatMap(({ rule, subject, text, again, timeline = [] }) => [
      `**${rule}** ${cell(subject)}: ${cell(text)} Again: \`${again}\``,
      '',
      ...(timeline.length > 0 ? ['```text', ...timeline, '```', ''] : []),
    ]),
    ...(parts.length > 0 ? ['<details><summary>Parts</summary>', '', ...describeParts(parts), '</details>', ''] : []),
  ]
}

function describeLayer(
  layer: Layer,
  { usual, campaign }: { usual: StoredResult | null; campaign: StoredResult | null },
) {
  const mayBeLeftOut = layer.needsServers
    ? ' It needs real servers; a run without them keeps the result of the run before.'
    : ''
  return [
    `## ${layer.title}`,
    '',
    `${layer.does} \`npm run ${layer.usual.script}\` repeats it.${mayBeLeftOut}`,
    '',
    `- Shows: ${layer.shows}`,
    `- Cannot show: ${layer.cannot}`,
    '',
    ...(usual || campaign ? [] : ['It was not run yet.', '']),
    ...(usual ? describeRun('Last run', usual) : []),
    ...(campaign ? describeRun('Last campaign', campaign) : []),
  ]
}

/** docs/proof.md, from the results that are stored. */
export async function describeProof(): Promise<string> {
  const sizes: readonly Size[] = ['usual', 'campaign']
  const results = await Promise.all(
    layers.map(async ({ name }) => {
      const [usual = null, campaign = null] = await Promise.all(sizes.map((size) => readStored(name, size)))
      return [name, { usual, campaign }] as const
    }),
  )
  return describeResults(new Map(results))
}

/** The page for these results. */
export function describeResults(results: Results): string {
  return [
    '# Proof',
    '',
    'What Belfry promises, what was tried to break each promise, how often, and what was found. Generated by `npm run proof`, which runs the',
    'layers below one after the other; the figures are those of `proof/results`, and `npm run docs` writes the page again from them.',
    '',
    '## Claims',
    '',
    'The names are those of the invariants in [protocol.md](protocol.md#invariants).',
    '',
    ...describeClaims(results),
    '## What was tried',
    '',
    ...describeRuns(results),
    '## What was found and mended',
    '',
    'Each one has a test that fails without the change.',
    '',
    ...describeMended(),
    '## What is not shown',
    '',
    ...limits.map((text) => `- ${text}`),
    '',
    '## Repeat it',
    '',
    '```text',
    'npm run proof                            all layers, in the size of CI',
    'npm run proof -- --only model,crash      some of them',
    'npm run proof -- --full                  the campaigns of a release: hours',
    'npm run proof -- --only simulation --seeds 5000',
    'npm run proof -- --only chaos --faults 200 --executions 20000',
    'npm run proof -- --page                  the page again, from the results that are stored',
    '```',
    '',
    'A layer that finds something prints it with the command that repeats it and with what happened to the job concerned.',
    'Scenarios and chaos kill their servers, and need the script that starts them: `BELFRY_PEERS` names it. The crash points on MongoDB',
    'take the servers that `BELFRY_TEST_KAFKA`, `BELFRY_TEST_MONGO` and `BELFRY_TEST_CONSUL` name.',
    '',
    ...layers.flatMap((layer) => describeLayer(layer, results.get(layer.name) ?? { usual: null, campaign: null })),
  ].join('\n')
}
