import { type Comparison, type Figure, goalText, isMet, round } from '../report.ts'

/** What a peer's best setting has measured. */
export interface PeerResult {
  /** `BullMQ 6.7.0`. */
  readonly name: string
  readonly setting: string
  readonly unit: string
  readonly values: Readonly<Record<string, number>>
}

/** One row of the table. */
export interface Row {
  readonly figure: string
  readonly what: string
  /** Null: not measured, `why` says it. */
  readonly value: number | null
  readonly unit: string
  readonly goal: string
  /** Null: no goal is set, or its peer was not measured. */
  readonly met: boolean | null
  readonly peer: string
  /** The value divided by the peer's; null without a peer. */
  readonly ratio: number | null
  readonly why?: string
}

const bothMet = (one: boolean | null, other: boolean | null) =>
  one === false || other === false ? false : (one ?? other)

function rowOf(figure: Figure, comparison: Comparison | undefined, peers: ReadonlyMap<string, PeerResult>): Row {
  const { id, what, value, unit, goal } = figure
  const [key = '', number = ''] = comparison?.key.split('.') ?? []
  const peer = peers.get(key)
  const peerValue = peer?.values[number]
  const ratio = peerValue === undefined ? null : value / peerValue
  const bounds = [
    ...(goal ? [goalText(goal)] : []),
    ...(comparison?.ratio ? [`${goalText(comparison.ratio)} x ${key}`] : []),
  ]
  const ratioMet = ratio === null ? null : isMet(ratio, comparison?.ratio)
  return {
    figure: id,
    what,
    value: round(value),
    unit,
    goal: bounds.join(' and '),
    met: bothMet(isMet(value, goal), ratioMet),
    peer:
      peer && peerValue !== undefined ? `${peer.name}: ${round(peerValue)} ${unit}` : comparison ? 'not measured' : '',
    ratio: ratio === null ? null : round(ratio),
  }
}

/**
 * The rows of the figures: one for each comparison, or one. Without `isAll` only those with a goal or a peer: the others
 * explain a figure and stand in its benchmark.
 */
export function rowsOf(
  figures: readonly Figure[],
  peers: ReadonlyMap<string, PeerResult>,
  isAll = false,
): readonly Row[] {
  return figures
    .filter(({ goal, peers: compared }) => isAll || goal || compared)
    .flatMap((figure) => (figure.peers ?? [undefined]).map((comparison) => rowOf(figure, comparison, peers)))
}

/** The row of a figure that could not be measured. */
export function notMeasured(figure: string, benchmark: string, why: string): Row {
  return { figure, what: benchmark, value: null, unit: '', goal: '', met: null, peer: '', ratio: null, why }
}

const short = (value: number) => (Math.abs(value) >= 1000 ? value.toFixed(0) : String(round(value)))

function cellsOf(row: Row): string[] {
  const { figure, what, value, unit, goal, met, peer, ratio, why } = row
  if (value === null) return [figure, what, 'not measured', why ?? '', '', '', '']
  const verdict = met === null ? '' : met ? 'yes' : 'NO'
  return [figure, what, `${short(value)} ${unit}`, goal, verdict, peer, ratio === null ? '' : `${ratio} x`]
}

const header = ['figure', 'what', 'value', 'goal', 'met', 'peer', 'ratio']

/** The table as text, in columns; a Markdown table, so that it can be copied into a page. */
export function tableText(rows: readonly Row[]): string {
  const cells = [header, ...rows.map(cellsOf)]
  const widths = header.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)))
  const line = (row: readonly string[]) => `| ${widths.map((width, at) => (row[at] ?? '').padEnd(width)).join(' | ')} |`
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  const [first = header, ...rest] = cells
  return [line(first), rule, ...rest.map(line)].join('\n')
}
