/** One line of the sample report. Money in cents. */
export interface SalesRow {
  region: string
  product: string
  units: number
  unitPriceCents: number
  revenueCents: number
}

const regions = ['North', 'East', 'South', 'West', 'Overseas']

/** What the sample shop sells, with its price in cents and how many a region sells on an ordinary day. */
const products: readonly [name: string, unitPriceCents: number, usualUnits: number][] = [
  ['Alarm clock, brass', 2995, 40],
  ['Bell rope, 5 m', 1450, 25],
  ['Church bell, 12 kg', 68900, 2],
  ['Handbell "Treble"', 4250, 18],
  ['Metronome', 3690, 30],
  ['Sundial', 8900, 6],
  ['Tower clock kit', 124900, 1],
  ['Wind chime', 1990, 55],
]

/** Sunday to Saturday, as a share of an ordinary day. */
const weekdays = [0.55, 0.9, 0.95, 1, 1.05, 1.25, 1.3]

/** Numbers from 0 up to 1, the same row for the same text (FNV-1a seeds mulberry32, both public domain). */
function createDraw(seed: string): () => number {
  let state = 0x811c9dc5
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The sample sales of a day (`2026-11-21`): made up, yet the same whenever the same day is asked for. */
export function dailySales(date: string): SalesRow[] {
  const draw = createDraw(date)
  const dayShare = weekdays[new Date(`${date}T00:00:00Z`).getUTCDay()] ?? 1
  return regions.flatMap((region) => {
    const regionShare = 0.7 + 0.6 * draw()
    return products.map(([product, unitPriceCents, usualUnits]) => {
      const units = Math.round(usualUnits * dayShare * regionShare * (0.6 + 0.8 * draw()))
      return { region, product, units, unitPriceCents, revenueCents: units * unitPriceCents }
    })
  })
}

export interface SalesTotals {
  rows: number
  totalUnits: number
  totalRevenueCents: number
}

export function totalsOf(rows: readonly SalesRow[]): SalesTotals {
  return {
    rows: rows.length,
    totalUnits: rows.reduce((sum, row) => sum + row.units, 0),
    totalRevenueCents: rows.reduce((sum, row) => sum + row.revenueCents, 0),
  }
}
