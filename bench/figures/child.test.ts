import { describe, expect, it } from 'vitest'
import { runChild } from './child.ts'

const run = (text: string, deadlineMs = 20_000) => runChild(['--eval', text], { deadlineMs })

describe('a benchmark in a process of its own', () => {
  it('is read by its last line', async () => {
    expect(await run(`console.log('P1 ...'); console.log('{"figures":[]}')`)).toEqual({ value: { figures: [] } })
  })

  it('says why it has no figures: the error', async () => {
    expect(await run(`throw new RangeError('the jobs were due before all were stored')`)).toEqual({
      why: 'RangeError: the jobs were due before all were stored',
    })
  })

  it('says so when its last line is no JSON', async () => {
    expect(await run(`console.log('done')`)).toEqual({ why: 'its last line is no JSON' })
  })

  it('ends at its deadline, with what it has started', async () => {
    const inner = `setInterval(() => undefined, 1000)`
    const text = `const { spawn } = require('node:child_process')
      const child = spawn(process.execPath, ['--eval', ${JSON.stringify(inner)}])
      console.log(child.pid)
      setInterval(() => undefined, 1000)`
    let output = ''
    const result = await runChild(['--eval', text], { deadlineMs: 3_000, onText: (some) => (output += some) })
    expect(result).toEqual({ why: 'ended with SIGTERM' })
    const isThere = () => {
      try {
        process.kill(Number(output), 0)
        return true
      } catch {
        return false
      }
    }
    await expect.poll(isThere, { timeout: 10_000 }).toBe(false)
  })
})
