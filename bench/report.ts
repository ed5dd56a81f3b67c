/** A bound that a number must not pass. */
export type Goal = { readonly atMost: number } | { readonly atLeast: number }

/** What a figure is compared with: a number of a peer's measurement (`peers.ts`), measured in the same run. */
export interface Comparison {
  /** The measurement and the number of it: `bullmq-64.rate`. */
  readonly key: string
  /** The bound of this figure divided by the peer's. */
  readonly ratio?: Goal
}

/** One figure: what came out, and what it was to be. */
export interface Figure {
  /** The short name of the figure, such as `P1`, or a name of its own where it has none. */
  readonly id: string
  readonly what: string
  readonly value: number
  readonly unit: string
  /** Absent where no bound is set. */
  readonly goal?: Goal
  readonly peers?: readonly Comparison[]
}

/** A benchmark: it starts what it needs, measures, and stops it again. `n` scales its main number. */
export interface Benchmark {
  readonly title: string
  readonly defaults: Readonly<Record<string, number>>
  /** Those of the options that are given without a number: 1 when given. */
  readonly flags?: readonly string[]
  run(options: Readonly<Record<string, number>>): Promise<readonly Figure[]>
}

/** What a benchmark prints last, as one line of JSON. */
export interface Report {
  readonly benchmark: string
  readonly options: Readonly<Record<string, number>>
  readonly figures: readonly (Figure & { readonly met: boolean | null })[]
}

export const round = (value: number) => Math.round(value * 1000) / 1000

/** A goal as people read it: `<= 4`. */
export function goalText(goal: Goal): string {
  return 'atMost' in goal ? `<= ${round(goal.atMost)}` : `>= ${round(goal.atLeast)}`
}

/** Whether a number keeps to its goal; null where none is set. A number that is missing (NaN) keeps to none. */
export function isMet(value: number, goal: Goal | undefined): boolean | null {
  if (!goal) return null
  return 'atMost' in goal ? value <= goal.atMost : value >= goal.atLeast
}

/** Prints each figure with its goal for people, then all of them as one JSON line for programs. */
export function printFigures(
  name: string,
  options: Readonly<Record<string, number>>,
  figures: readonly Figure[],
): void {
  for (const { id, what, value, unit, goal } of figures) {
    const met = isMet(value, goal)
    const verdict = met === null ? '' : met ? ' ✓' : ' ✗'
    const bound = goal ? `goal ${goalText(goal)}` : 'no goal set'
    console.log(`${id.padEnd(6)} ${what}: ${round(value)} ${unit} (${bound})${verdict}`)
  }
  const rows = figures.map((one) => ({ ...one, value: round(one.value), met: isMet(one.value, one.goal) }))
  console.log(JSON.stringify({ benchmark: name, options, figures: rows } satisfies Report))
}

/** The value below which the share `p` (0 to 1) of `values` lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN
}
