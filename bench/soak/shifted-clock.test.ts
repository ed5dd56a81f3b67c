import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const weekMs = 7 * 86_400_000

/** What a process with the shifted clock prints as JSON. */
function evaluate(text: string, start: number, speed: number): unknown {
  const args = [`--import=${join(import.meta.dirname, 'shifted-clock.ts')}`, '--input-type=module', '--eval', text]
  const env = { ...process.env, BENCH_CLOCK_START: String(start), BENCH_CLOCK_SPEED: String(speed) }
  return JSON.parse(execFileSync(process.execPath, args, { env, encoding: 'utf8' }))
}

describe('a process with a shifted clock', () => {
  const start = Date.now() - weekMs

  it('shows the same shifted time everywhere, and leaves given times alone', () => {
    const text = `const times = [Date.now(), +new Date(), +new Date(5), Date.parse('1970-01-01T00:00:01Z'), new Date() instanceof Date]
      console.log(JSON.stringify(times))`
    const [now, made, given, parsed, isDate] = evaluate(text, start, 1) as [number, number, number, number, boolean]
    expect(now).toBeGreaterThanOrEqual(start)
    expect(now).toBeLessThan(start + weekMs / 2)
    expect(made - now).toBeLessThan(1_000)
    expect([given, parsed, isDate]).toEqual([5, 1_000, true])
  })

  it('has it in its threads too', () => {
    const text = `import { Worker } from 'node:worker_threads'
      const worker = new Worker("import('node:worker_threads').then(({ parentPort }) => parentPort.postMessage(Date.now()))", { eval: true })
      worker.once('message', (time) => console.log(JSON.stringify(time - Date.now())))`
    expect(Math.abs(evaluate(text, start, 1) as number)).toBeLessThan(60_000)
  })

  it('lets it run faster', () => {
    const text = `const [real, shifted] = [performance.now(), Date.now()]
      while (performance.now() - real < 50);
      console.log(JSON.stringify((Date.now() - shifted) / (performance.now() - real)))`
    const speed = evaluate(text, start, 100) as number
    expect(speed).toBeGreaterThan(80)
    expect(speed).toBeLessThan(120)
  })
})
