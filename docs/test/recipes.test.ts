import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished, vi } from 'vitest'
import { makeDataDir } from '../../proof/belfry-process.ts'
import { openShell, readBlocks } from './shell.ts'

vi.setConfig({ testTimeout: 120_000 })

/** A new Belfry, a shell, and the recipes of a page, to be run one after the other. */
async function openPage(page: string) {
  const folder = await makeDataDir()
  const belfry = await openStandalone({ BELFRY_DATA_DIR: folder.path, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn' })
  const shell = openShell()
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
