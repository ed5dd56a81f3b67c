/** One figure: what came out, and what it was to be. */
export interface Figure {
  /** The short name of the figure, such as `P1`, or a name of its own where it has none. */
  readonly id: string
  readonly what: string
  readonly value: number
  readonly unit: string
  /** The bound that the figure must not pass; absent where none is set. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number }
}

/** A benchmark: it starts what it needs, measures, and stops it again. `n` scales its main number. */
export interface Benchmark {
  readonly title: string
  readonly defaults: Readonly<Record<string, number>>
  /** Those of the options that are given without a number: 1 when given. */
  readonly flags?: readonly string[]
  run(options: Readonly<Record<string, number>>): Promise<readonly Figure[]>
}

const round = (value: number) => Math.round(value * 1000) / 1000

function goalText(figure: Figure): string {
  if (!figure.goal) return 'no goal set'
  return 'atMost' in figure.goal ? `goal <= ${figure.goal.atMost}` : `goal >= ${figure.goal.atLeast}`
}

function isMet(figure: Figure): boolean | null {
  if (!figure.goal) return null
  return 'atMost' in figure.goal ? figure.value <= figure.goal.atMost : figure.value >= figure.goal.atLeast
}

/** Prints each figure with its goal for people, then all of them as one JSON line for programs. */
export function printFigures(
  name: string,
  options: Readonly<Record<string, number>>,
  figures: readonly Figure[],
): void {
  for (const figure of figures) {
    const met = isMet(figure)
    const verdict = met === null ? '' : met ? ' ✓' : ' ✗'
    console.log(
      `${figure.id.padEnd(6)} ${figure.what}: ${round(figure.value)} ${figure.unit} (${goalText(figure)})${verdict}`,
    )
  }
  const rows = figures.map((figure) => ({ ...figure, value: round(figure.value), met: isMet(figure) }))
  console.log(JSON.stringify({ benchmark: name, options, figures: rows }))
}

/** The value below which the share `p` (0 to 1) of `values` lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN
}
