import { createLog, createMetrics } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { createUnreadableReport } from '../src/index.ts'
import { readRows } from '../src/sqlite/index.ts'

describe('rows that cannot be read', () => {
  const rows = [
    [1, '{"a":1}'],
    [2, '{'],
    [3, '{"a":3}'],
  ]

  it('are left out and reported once', async () => {
    const lines: string[] = []
    const log = createLog({ level: 'warn', destination: { write: (line: string) => void lines.push(line) } })
    const metricsRegistry = createMetrics()
    const report = createUnreadableReport(log, metricsRegistry.forService('executor-service'))
    const read = () => readRows('executions', rows, (row) => JSON.parse(String(row[1])).a as number, report)
    expect(read()).toEqual([1, 3])
    expect(read()).toEqual([1, 3])
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ table: 'executions', row: '2' }])
    expect(await metricsRegistry.render()).toContain(
      'belfry_unreadable_rows{service="executor-service",table="executions"} 1',
    )
  })
})
