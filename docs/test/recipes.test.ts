import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it, onTestFinished, vi } from 'vitest'
import { openPage } from './page.ts'

vi.setConfig({ testTimeout: 120_000 })

/** The recipes of a page of the guide, to be run one after the other. */
async function openRecipes(page: string, env: Readonly<Record<string, string>> = {}) {
  const { shell, blocks } = await openPage(`docs/guide/${page}`, env)
  const left = await blocks('recipes')
  return {
    left,
    async run(): Promise<string> {
      return (await shell.run(left.shift() ?? 'false', 'TOKEN')).printed
    },
  }
}

it('the recipes of the guide to jobs do what they say', async () => {
  const page = await openRecipes('jobs.md')
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
  const page = await openRecipes('executions.md')
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
  expect(await page.run()).toMatch(
    /"counts":\{"planned":[56],"alreadyRun":[01],"alreadyBackfilled":0,"stillScheduled":0\}/,
  )
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
  const page = await openRecipes('notifications.md', { BELFRY_JOB_NOTIFY_ALLOW_PRIVATE: 'true' })
  page.left[0] = page.left[0]?.replace('https://hooks.example.com/belfry', receiver.url) ?? ''
  expect(await page.run()).toContain('"secret":"whsec_')
  expect(await page.run()).toContain('"type":"job.failed"')
  expect(receiver.messages).toEqual([
    { signature: expect.stringMatching(/^v1,/), body: expect.objectContaining({ type: 'job.failed' }) },
  ])
  expect(page.left).toEqual([])
})

it('the recipes of the guide to secrets do what they say, and show no value', async () => {
  const page = await openRecipes('secrets.md')
  const stored = await page.run()
  expect(stored).toContain('"name":"ORDERS_TOKEN"')
  expect(stored).not.toContain('of the other system')
  expect(await page.run()).toContain('Bearer {{secret:ORDERS_TOKEN}}')
  expect(page.left).toEqual([])
})
