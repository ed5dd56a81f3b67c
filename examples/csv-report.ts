import { defineJob, fatal } from '@belfry/worker'
import { z } from 'zod'

const rows = z.array(z.record(z.string(), z.unknown()))

/** A text as a field of CSV (RFC 4180). */
function field(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Fetches rows as JSON and stores them as a CSV file, which can be downloaded from the execution. */
export default defineJob({
  type: 'CSV_REPORT',
  title: 'CSV report',
  description: 'Makes a CSV file of a JSON list at a URL.',
  params: z.object({
    url: z.url(),
    columns: z.array(z.string().min(1)).min(1).max(100),
  }),
  result: z.object({ rows: z.int(), file: z.string() }),
  timeout: '5m',
  slots: 'io',
  examples: [{ url: 'https://example.com/orders.json', columns: ['id', 'total'] }],
  async run({ url, columns }, ctx) {
    const answer = await fetch(url, { signal: ctx.signal })
    // A failure of the server is tried again; an answer that is no list would be the same next time.
    if (!answer.ok) throw new Error(`${url} answered ${answer.status}`)
    const found = rows.safeParse(await answer.json())
    if (!found.success) throw fatal('no-rows', `${url} does not answer with a list of objects`)
    const lines = found.data.map((row) => columns.map((column) => field(row[column])).join(','))
    const file = `report-${new Date(ctx.fireAt).toISOString().slice(0, 10)}.csv`
    ctx.artifact(file, 'text/csv', `${[columns.map(field).join(','), ...lines].join('\r\n')}\r\n`)
    ctx.log.info(`${lines.length} rows in ${file}`)
    return { rows: lines.length, file }
  },
})
