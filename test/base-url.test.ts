import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'

const vitest = join(createRequire(import.meta.url).resolve('vitest/package.json'), '../vitest.mjs')

it('the flows call the Belfry at BASE_URL, and no other one', async () => {
  const paths: string[] = []
  const server = createServer(({ url }, answer) => {
    paths.push(url ?? '')
    answer.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const env = { ...process.env, BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  const child = spawn(process.execPath, [vitest, 'run', '--project', 'test', 'test/flows/limits.test.ts'], {
    cwd: resolve(import.meta.dirname, '..'),
    env,
    stdio: 'ignore',
  })
  const [code] = await once(child, 'close')
  expect([code, paths[0]]).toEqual([1, '/auth/signup'])
})
