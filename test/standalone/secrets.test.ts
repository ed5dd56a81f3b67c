import { readdir, readFile, stat } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

const canary = 'canary-0b7e31c9'

interface Execution {
  id: string
  status: string
  error: { code: string } | null
  result: { body: { seen: string } } | null
}

/** A server that answers with what it was sent. */
async function startEcho(): Promise<{ url: string; seen: string[] }> {
  const seen: string[] = []
  const server = createServer((request, response) => {
    const given = String(request.headers.authorization)
    seen.push(given)
    response.writeHead(request.url?.startsWith('/fail') ? 400 : 200, {
      'content-type': 'application/json',
      'x-request-id': given,
    })
    response.end(JSON.stringify({ seen: given }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

describe('a secret in the params of a job', () => {
  it('reaches the target, and stands in no file, log line or answer', { timeout: 60_000 }, async () => {
    const data = await makeDataDir()
    const folder = join(data.path, 'belfry')
    const belfry = await startBelfry(folder, { env: { BELFRY_LOG_LEVEL: 'trace' } })
    onTestFinished(async () => {
      await belfry.kill()
      await data.remove()
    })
    const user = await signUp(belfry.url)
    const echo = await startEcho()
    const answers: unknown[] = []
    const call = async <T>(method: string, path: string, body?: object) => {
      const answer = await user.call<T>(method, path, body)
      answers.push(answer.body, [...answer.headers])
      return answer
    }
    const ended = (jobId: string, count: number) =>
      eventually('the run to end', async () => {
        const { body } = await call<{ data: Execution[] }>('GET', `/jobs/${jobId}/executions?fields=params,result`)
        const over = body.data.filter(({ status }) => ['SUCCESS', 'FAILED'].includes(status))
        return over.length === count ? over : undefined
      })

    expect((await call('PUT', '/secrets/API_KEY', { value: canary })).status).toBe(201)
    const make = async (path: string) => {
      const params = {
        url: `${echo.url}${path}?k={{secret:API_KEY}}`,
        headers: { authorization: '{{secret:API_KEY}}' },
      }
      const made = await call<{ id: string }>('POST', '/jobs', {
        jobType: 'HTTP_CALL',
        params,
        retry: { maxRetries: 0 },
      })
      expect(made.status).toBe(201)
      await call('POST', `/jobs/${made.body.id}/trigger`)
      return made.body.id
    }
    const [good, bad] = [await make('/echo'), await make('/fail')]
    const [success] = await ended(good, 1)
    const [failure] = await ended(bad, 1)
    expect(echo.seen.toSorted()).toEqual([canary, canary])
    expect(success?.result?.body.seen).toBe('[secret:API_KEY]')
    expect(failure?.error?.code).toBe('http-400')
    for (const one of [success, failure]) {
      await call('GET', `/executions/${one?.id}`)
      await call('GET', `/executions/${one?.id}/logs`)
      await call('GET', `/jobs/${good}`)
      await call('GET', '/secrets')
    }
    expect((await call('DELETE', '/secrets/API_KEY')).status).toBe(200)
    await call('POST', `/jobs/${good}/trigger`)
    expect((await ended(good, 2)).map(({ error }) => error?.code ?? null)).toContain('secret-not-found')

    expect(await belfry.stop()).toBeDefined()
    expect(JSON.stringify(answers)).not.toContain(canary)
    expect(belfry.output()).not.toContain(canary)
    const files = (await readdir(folder)).toSorted()
    expect(files).toContain('secrets.key')
    expect((await stat(join(folder, 'secrets.key'))).mode & 0o777).toBe(0o600)
    for (const file of files) expect((await readFile(join(folder, file))).includes(canary), file).toBe(false)
  })
})
