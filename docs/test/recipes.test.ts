import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished, vi } from 'vitest'
import { makeDataDir } from '../../proof/belfry-process.ts'
import { openShell, readBlocks } from './shell.ts'

vi.setConfig({ testTimeout: 120_000 })

/** A new Belfry, a shell, and the recipes of a page, to be run one after the other. */
async function openPage(page: string, env: Readonly<Record<string, string>> = {}) {
  const folder = await makeDataDir()
  const settings = { BELFRY_DATA_DIR: folder.path, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn', ...env }
  const belfry = await openStandalone(settings)
  const shell = openShell({ cwd: folder.path })
  onTestFinished(async () => {
    shell.close()
    await belfry.stop()
    await folder.remove()
  })
  const blocks = await readBlocks(join(import.meta.dirname, '../guide', page), 'recipes')
  const left = blocks.map((block) => block.replaceAll('http://127.0.0.1:8080', belfry.url))
  return {
    left,
    async run(): Promise<string> {
      return (await shell.run(left.shift() ?? 'false', 'TOKEN')).printed
    },
  }
}

it('the recipes of the guide to jobs do what they say', async () => {
  const page = await openPage('jobs.md')
  expect(await page.run()).toContain('"username":"ann"')
  expect(await page.run()).toContain('"key":"nightly-report"')

  const changed = await page.run()
  expect(changed).toContain('"schedule":{"cron":"30 4 * * 1-5","timezone":"Europe/Berlin"}')
  expect(changed).toContain('"version":2')

  const [, soon = ''] = (await page.run()).trim().split('\n')
  expect(soon).toContain('"key":"heartbeat"')
  expect(soon).not.toContain('"key":"nightly-report"')

  const paused = await page.run()
  expect(paused).toMatch(/"counts":\{"changed":[23],"unchanged":0,"refused":0,"pending":0\}/)
  const resumed = await page.run()
  expect(resumed).toMatch(/"counts":\{"changed":[23],"unchanged":0,"refused":0,"pending":0\}/)

  expect(await page.run()).toContain('"viewers":["ben"]')
  const shared = await page.run()
  expect(shared).toContain('"key":"nightly-report"')
  expect(shared).not.toContain('"pause"')

  expect(await page.run()).toContain('"state":"deleted"')
  expect(page.left).toEqual([])
})

it('the recipes of the guide to executions do what they say', async () => {
  const page = await openPage('executions.md')
  await page.run()
  expect(await page.run()).toContain('"status":"FAILED"')

  const failed = await page.run()
  expect(failed).toContain('"status":"FAILED"')
  expect(failed).toContain('"jobName":"import"')
  expect(await page.run()).toContain('"level"')

  const [patched = '', dry = ''] = (await page.run()).trim().split('\n')
  expect(patched).toContain('"params":{"durationMs":10}')
  expect(dry).toContain('"dryRun":true,"counts":{"done":1,"already":0,"refused":0}')
  const retried = await page.run()
  expect(retried).toContain('"outcome":"retried"')

  // A full hour may pass meanwhile, whose run the schedule has made.
  expect(await page.run()).toMatch(/"counts":\{"planned":[56],"alreadyRun":[01],"alreadyBackfilled":0\}/)
  expect(page.left).toEqual([])
})

/** A server that takes what webhooks send. */
async function openReceiver() {
  const messages: { signature: unknown; body: { type: string } }[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString()
    messages.push({ signature: request.headers['webhook-signature'], body: JSON.parse(body) })
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/belfry`, messages }
}

it('the recipes of the guide to notifications do what they say', async () => {
  const receiver = await openReceiver()
  const page = await openPage('notifications.md', { BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true' })
  page.left[0] = page.left[0]?.replace('https://hooks.example.com/belfry', receiver.url) ?? ''
  expect(await page.run()).toContain('"secret":"whsec_')
  expect(await page.run()).toContain('"type":"job.failed"')
  expect(receiver.messages).toEqual([
    { signature: expect.stringMatching(/^v1,/), body: expect.objectContaining({ type: 'job.failed' }) },
  ])
  expect(page.left).toEqual([])
})

it('the recipes of the guide to secrets do what they say, and show no value', async () => {
  const page = await openPage('secrets.md')
  const stored = await page.run()
  expect(stored).toContain('"name":"ORDERS_TOKEN"')
  expect(stored).not.toContain('of the other system')
  expect(await page.run()).toContain('Bearer {{secret:ORDERS_TOKEN}}')
  expect(page.left).toEqual([])
})
