import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

interface Execution {
  id: string
  jobId: string
  status: string
}
interface Line {
  level: string
  service: string
  msg: string
  jobId?: string
  executionId?: string
  error?: { code: string }
}

describe('the log of the server', () => {
  const open = async (level: string) => {
    const data = await makeDataDir()
    const belfry = await startBelfry(join(data.path, 'belfry'), { env: { BELFRY_LOG_LEVEL: level } })
    onTestFinished(async () => {
      await belfry.kill()
      await data.remove()
    })
    const user = await signUp(belfry.url)
    const ended = async (body: object) => {
      const made = await user.call<{ id: string }>('POST', '/jobs', body)
      expect(made.status).toBe(201)
      return eventually('its run to end', async () => {
        const { body: list } = await user.call<{ data: Execution[] }>('GET', `/jobs/${made.body.id}/executions`)
        return list.data.find((one) => ['SUCCESS', 'FAILED'].includes(one.status))
      })
    }
    /** The lines about one execution, once one of them says `msg`. */
    const linesOf = ({ id }: Execution, msg: string) =>
      eventually(`the line "${msg}"`, async () => {
        const lines = belfry
          .output()
          .split('\n')
          .filter((text) => text.includes(id))
        const read = lines.map((text) => JSON.parse(text) as Line)
        return read.some((line) => line.msg === msg) ? read : undefined
      })
    return { user, ended, linesOf }
  }

  it('follows an execution from service to service at debug', async () => {
    const { user, ended, linesOf } = await open('debug')
    const execution = await ended({ jobType: 'DUMMY', params: { durationMs: 0 }, delay: '1s' })
    const lines = await linesOf(execution, 'status taken over')
    for (const line of lines) expect(line).toMatchObject({ level: 'debug', jobId: execution.jobId })
    const steps = [...new Set(lines.map(({ service, msg }) => `${service}: ${msg}`))]
    expect(steps.filter((step) => !step.endsWith('status taken over'))).toEqual([
      'scheduler-service: execution created',
      'scheduler-service: command sent',
      'executor-service: execution admitted',
      'executor-service: execution claimed',
      'executor-service: execution started',
      'executor-service: execution ended',
    ])
    expect(steps).toContain('job-service: status taken over')
    const made = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', schedule: null })
    const triggered = await user.call<Execution>('POST', `/jobs/${made.body.id}/trigger`)
    const beginning = (await linesOf(triggered.body, 'execution ended')).slice(0, 3)
    expect(beginning.map(({ service, msg }) => `${service}: ${msg}`)).toEqual([
      'job-service: execution created',
      'job-service: command sent',
      'executor-service: execution admitted',
    ])
  })

  it('warns of a call that no server took, and the execution says what was called', async () => {
    const { user, ended, linesOf } = await open('info')
    const params = { url: 'http://127.0.0.1:9/hook?token=secret', method: 'POST' }
    const execution = await ended({ jobType: 'HTTP_CALL', params, delay: '0s', retry: { maxRetries: 0 } })
    expect(await linesOf(execution, 'execution ended FAILED')).toEqual([
      expect.objectContaining({
        level: 'warn',
        jobId: execution.jobId,
        ownerId: expect.stringMatching(/^usr-/),
        error: { code: 'connection-refused', message: expect.stringContaining('ECONNREFUSED') },
      }),
    ])
    const logs = await user.call<{ data: { level: string; text: string }[] }>('GET', `/executions/${execution.id}/logs`)
    expect(logs.body.data.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'info calling POST http://127.0.0.1:9/hook',
      expect.stringMatching(/^error POST http:\/\/127\.0\.0\.1:9\/hook failed after \d+ ms: connection-refused: /),
    ])
  })
})
