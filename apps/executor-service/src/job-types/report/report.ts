import type { Handler } from '@belfry/worker'
import { z } from 'zod'
import { toCsv } from './csv.ts'
import { dailySales, type SalesRow, type SalesTotals, totalsOf } from './daily-sales.ts'

const dayPattern = /^(?:19[7-9]\d|[2-9]\d{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/

/** Rules out the 30th of February: `Date` would move it on into March. */
function isRealDay(day: string): boolean {
  const at = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(day)
}

const reportParams = z.strictObject({
  reportType: z.enum(['daily-sales']).describe('daily-sales: a sample data set, seeded by the date.'),
  format: z.enum(['csv', 'json']).default('csv').describe('Format of the file.'),
  date: z
    .string()
    .regex(dayPattern, 'is not a day such as "2026-11-21"')
    .refine(isRealDay, 'is not a day of the calendar')
    .meta({ format: 'date' })
    .optional()
    .describe('The day to report on, UTC; without it the day of the fire time.'),
})
type ReportParams = z.infer<typeof reportParams>

const reportResult = z.strictObject({
  reportType: z.string(),
  date: z.string(),
  rows: z.int(),
  totalUnits: z.int(),
  totalRevenueCents: z.int(),
  artifact: z.string().describe('Name of the file, among the artifacts of the execution.'),
})

const columns = ['region', 'product', 'units', 'unitPriceCents', 'revenueCents'] as const

function asCsv(date: string, rows: SalesRow[], totals: SalesTotals): string {
  const lines = rows.map((row) => [date, ...columns.map((column) => row[column])])
  return toCsv([['date', ...columns], ...lines, [date, 'Total', '', totals.totalUnits, '', totals.totalRevenueCents]])
}

function asJson(date: string, rows: SalesRow[], totals: SalesTotals): string {
  return `${JSON.stringify({ reportType: 'daily-sales', date, rows, totals }, null, 2)}\n`
}

const formats = {
  csv: { contentType: 'text/csv; charset=utf-8', write: asCsv },
  json: { contentType: 'application/json', write: asJson },
}

/** REPORT: writes a file that people can download from the execution. */
export const report: Handler<ReportParams> = {
  type: 'REPORT',
  title: 'Report',
  description: 'Writes a report as a file that can be downloaded from the execution.',
  params: reportParams,
  result: reportResult,
  timeoutMs: 3_600_000,
  slots: 'cpu',
  examples: [{ reportType: 'daily-sales' }, { reportType: 'daily-sales', format: 'json', date: '2026-11-21' }],
  async run({ reportType, format, date: day }, context) {
    const date = day ?? new Date(context.fireAt).toISOString().slice(0, 10)
    const rows = dailySales(date)
    const totals = totalsOf(rows)
    const artifact = `${reportType}-${date}.${format}`
    context.artifact(artifact, formats[format].contentType, formats[format].write(date, rows, totals))
    context.log('info', `Wrote ${artifact} with ${totals.rows} rows`)
    return { reportType, date, ...totals, artifact }
  },
}
