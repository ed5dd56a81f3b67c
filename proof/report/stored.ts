import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Size } from './layers.ts'
import { type Finding, findingsLimit, type LayerName, type LayerResult, timelineLimit } from './result.ts'

/** The last result of a layer of one size, with where it comes from. */
export interface StoredResult extends LayerResult {
  /** The day, in UTC: `2026-01-31`. */
  readonly date: string
  /** The commit that ran, in short form; `+` behind it when files were changed. */
  readonly commit: string
  readonly seconds: number
  readonly node: string
  readonly cores: number
  /** The command that ran it. */
  readonly command: string
}

const folder = join(import.meta.dirname, '../results')

const pathOf = (layer: LayerName, size: Size) =>
  join(folder, size === 'usual' ? `${layer}.json` : `${layer}-campaign.json`)

/** Null when the layer was never run in this size. */
export async function readStored(layer: LayerName, size: Size): Promise<StoredResult | null> {
  try {
    return JSON.parse(await readFile(pathOf(layer, size), 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Indented two levels deep, so that a line is one part or one finding. */
function textOf(result: StoredResult): string {
  const members = Object.entries(result).map(([name, value]) => {
    if (!Array.isArray(value) || value.length === 0) return `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`
    const lines = value.map((one) => `    ${JSON.stringify(one)}`)
    return `  ${JSON.stringify(name)}: [\n${lines.join(',\n')}\n  ]`
  })
  return `{\n${members.join(',\n')}\n}\n`
}

/** At most `findingsLimit` findings, each with at most `timelineLimit` lines of its timeline. */
function shortened({ found }: StoredResult): Finding[] {
  const some = found.slice(0, findingsLimit).map((one) => {
    return one.timeline ? { ...one, timeline: one.timeline.slice(0, timelineLimit) } : one
  })
  const [first] = found
  const left = found.length - findingsLimit
  return first && left > 0
    ? [...some, { rule: 'more', subject: '', text: `${left} more are not listed`, again: first.again }]
    : some
}

/** Keeps a result in the place of the last one of its layer and size. */
export async function store(result: StoredResult, size: Size): Promise<void> {
  await writeFile(pathOf(result.layer, size), textOf({ ...result, found: shortened(result) }))
}
