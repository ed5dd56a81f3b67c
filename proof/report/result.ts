import { appendFileSync } from 'node:fs'

/** The layers of the proof, in the order in which `npm run proof` runs them. */
export const layerNames = [
  'model',
  'edits',
  'simulation',
  'crash',
  'crash-fleet',
  'operations',
  'security',
  'fuzz',
  'scenarios',
  'chaos',
] as const
export type LayerName = (typeof layerNames)[number]

export type Figures = Readonly<Record<string, number>>

/** Something that does not hold. */
export interface Finding {
  /** I1 to I13, or a word of the layer (`test`, `crash`, `500`). */
  readonly rule: string
  /** The job, execution, input, search or test. */
  readonly subject: string
  readonly text: string
  /** The command that shows it again. */
  readonly again: string
  /** What happened to the job concerned, in the order of time; at most `timelineLimit` lines are kept. */
  readonly timeline?: readonly string[]
}

/** A part of what a layer did: a search, a set of inputs, a mutant. */
export interface Part {
  readonly name: string
  /** Whether it came out as it has to: all holds, or the mutant is reported. */
  readonly isAsExpected: boolean
  readonly figures: Figures
  readonly note?: string
}

/**
 * What a layer has to say of a run, or of a piece of it: `npm run proof` adds up the lines of one layer. Nothing in it may name a
 * machine or a path outside of the repository.
 */
export interface LayerResult {
  readonly layer: LayerName
  /** How often what was tried, for example `{ seeds: 2000 }`. */
  readonly tried: Figures
  /** What was made to go wrong, by kind. */
  readonly injected?: Figures
  /** What happened in consequence, so that it is visible whether rare ways were taken at all. */
  readonly seen?: Figures
  readonly parts?: readonly Part[]
  readonly found: readonly Finding[]
  /** The real servers that served it, by product and version. */
  readonly servers?: string
}

/** Lines of a timeline that are stored. */
export const timelineLimit = 80

/** Findings that are stored; the others are counted in one more. */
export const findingsLimit = 50

/** The file that `npm run proof` names to its layers. */
export const resultFileKey = 'BELFRY_PROOF_JSON'

/** Appends a result as one line of JSON. Without a file (`--json`, or else `BELFRY_PROOF_JSON`) it does nothing. */
export function recordResult(result: LayerResult, file: string | undefined = process.env[resultFileKey]): void {
  if (file) appendFileSync(file, `${JSON.stringify(result)}\n`)
}

function sum(all: readonly (Figures | undefined)[]): Figures {
  const total: Record<string, number> = {}
  for (const figures of all)
    for (const [name, count] of Object.entries(figures ?? {})) total[name] = (total[name] ?? 0) + count
  return total
}

/** The results of one layer as one; figures of the same name are added up. */
export function mergeResults(layer: LayerName, results: readonly LayerResult[]): LayerResult {
  const servers = results.map((one) => one.servers).find((one) => one !== undefined)
  return {
    layer,
    tried: sum(results.map(({ tried }) => tried)),
    injected: sum(results.map(({ injected }) => injected)),
    seen: sum(results.map(({ seen }) => seen)),
    parts: results.flatMap(({ parts }) => parts ?? []),
    found: results.flatMap(({ found }) => found),
    ...(servers !== undefined && { servers }),
  }
}
