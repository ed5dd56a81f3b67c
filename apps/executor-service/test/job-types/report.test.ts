import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toCsv } from '../../src/job-types/report/csv.ts'
import { dailySales, totalsOf } from '../../src/job-types/report/daily-sales.ts'
import { report } from '../../src/job-types/report/report.ts'
import { createTestContext } from './run-context.ts'

async function write(params: Record<string, unknown>) {
  const context = createTestContext()
  const result = await report.run(report.params.parse({ reportType: 'daily-sales', ...params }), context)
  const [file] = context.artifacts
  return { result, name: file?.name, contentType: file?.contentType, text: String(file?.body), logs: context.logs }
}

describe('REPORT daily-sales', () => {
  it('writes a CSV for the day of the fire time by default', async () => {
    const { result, name, contentType, text, logs } = await write({})
    expect(name).toBe('daily-sales-2026-11-21.csv')
    expect(contentType).toBe('text/csv; charset=utf-8')
    const lines = text.split('\r\n')
    expect(lines[0]).toBe('date,region,product,units,unitPriceCents,revenueCents')
    expect(lines[1]).toMatch(/^2026-11-21,North,"Alarm clock, brass",\d+,2995,\d+$/)
    expect(lines[4]).toMatch(/^2026-11-21,North,"Handbell ""Treble""",\d+,4250,\d+$/)
    expect(lines.at(-2)).toMatch(/^2026-11-21,Total,,\d+,,\d+$/)
    expect(lines).toHaveLength(1 + 40 + 1 + 1)
    expect(result).toMatchObject({ reportType: 'daily-sales', date: '2026-11-21', rows: 40, artifact: name })
    expect(logs).toEqual(['info Wrote daily-sales-2026-11-21.csv with 40 rows'])
  })

  it('writes the same figures as JSON', async () => {
    const csv = await write({ date: '2024-02-29' })
    const json = await write({ date: '2024-02-29', format: 'json' })
    expect(json.name).toBe('daily-sales-2024-02-29.json')
    expect(json.contentType).toBe('application/json')
    const { rows, totals } = JSON.parse(json.text)
    expect(json.result).toEqual({ ...(csv.result as object), artifact: json.name })
    expect(rows.reduce((sum: number, row: { revenueCents: number }) => sum + row.revenueCents, 0)).toBe(
      totals.totalRevenueCents,
    )
    expect(csv.text).toContain(`2024-02-29,Total,,${totals.totalUnits},,${totals.totalRevenueCents}\r\n`)
  })

  it('gives the same figures for the same day, and others for another', () => {
    expect(dailySales('2026-11-21')).toEqual(dailySales('2026-11-21'))
    expect(totalsOf(dailySales('2026-11-21'))).not.toEqual(totalsOf(dailySales('2026-11-28')))
    expect(totalsOf(dailySales('2026-11-21'))).toEqual({ rows: 40, totalUnits: 1319, totalRevenueCents: 5_738_565 })
  })

  it('has figures that add up on any day', () => {
    const days = fc.date({ min: new Date('1970-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    fc.assert(
      fc.property(days, (day) => {
        const rows = dailySales(day.toISOString().slice(0, 10))
        expect(rows.every((row) => row.units >= 0 && row.revenueCents === row.units * row.unitPriceCents)).toBe(true)
        expect(totalsOf(rows).totalUnits).toBeGreaterThan(100)
      }),
    )
  })

  it('has a result of the shape it describes', async () => {
    expect(report.result.safeParse((await write({})).result).success).toBe(true)
  })

  it.each([
    { reportType: 'weekly-sales' },
    { reportType: 'execution-summary' },
    {},
    { reportType: 'daily-sales', format: 'pdf' },
    { reportType: 'daily-sales', date: '2026-02-30' },
    { reportType: 'daily-sales', date: '2025-02-29' },
    { reportType: 'daily-sales', date: '../../etc/passwd' },
    { reportType: 'daily-sales', date: '2026-11-21T00:00:00Z' },
    { reportType: 'daily-sales', day: '2026-11-21' },
  ])('refuses %j', (params) => expect(report.params.safeParse(params).success).toBe(false))
})

describe('a CSV table', () => {
  it('quotes what would break a line or a field', () => {
    expect(toCsv([['a,b', 'say "hi"', 'two\nlines', 'plain', 1.5]])).toBe(
      '"a,b","say ""hi""","two\nlines",plain,1.5\r\n',
    )
  })

  it('keeps a spreadsheet from running text as a formula, and leaves numbers alone', () => {
    expect(toCsv([['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '=A1,"x"', -5]])).toBe(
      `'=1+1,'+1,'-1,'@SUM(A1),'\t=1,"'=A1,""x""",-5\r\n`,
    )
  })
})
