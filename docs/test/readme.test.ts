import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'
import { openShell, readBlocks } from './shell.ts'

const readme = join(import.meta.dirname, '../../README.md')

it('the tour of the README does what it says, command by command', async () => {
  const folder = await makeDataDir()
  const belfry = await openStandalone({
    BELFRY_DATA_DIR: folder.path,
    BELFRY_PORT: '0',
    BELFRY_LOG_LEVEL: 'warn',
  })
  const shell = openShell()
  onTestFinished(async () => {
    shell.close()
    await belfry.stop()
    await folder.remove()
  })
  const blocks = (await readBlocks(readme, 'tour')).map((block) =>
    block.replaceAll('http://127.0.0.1:8080', belfry.url),
  )
  const [signup, list, report, results, more, cancel, mistake, ...rest] = blocks as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  expect(rest).toEqual([])

  const signedUp = await shell.run(signup, 'TOKEN')
  expect(signedUp.printed).toContain('short-password')
  const user = createCaller(belfry.url, signedUp.value)
  expect((await shell.run(list, 'TOKEN')).printed).toContain('"key":"hello"')
  const reported = await shell.run(report, 'EXECUTION')
  expect(reported.value).toMatch(/^exe-/)
  // A reader takes longer than a script to get to the next block.
  await eventually('the report', async () => {
    const { body } = await user.call<{ status: string }>('GET', `/executions/${reported.value}`)
    return body.status === 'SUCCESS' ? true : undefined
  })
  const shown = await shell.run(results, 'JOB')
  expect(shown.printed).toContain('"status":"SUCCESS"')
  expect(shown.printed).toContain('region')
  expect((await shell.run(more, 'JOB')).printed).toContain('"key":"job-100"')
  expect((await shell.run(cancel, 'JOB')).printed).toContain('"effective":"now"')
  const refused = await shell.run(mistake, 'JOB')
  expect(refused.printed).toContain('"suggestion":"jobType"')
  expect(refused.printed).toContain('/priority')
  expect(refused.printed).toContain('"pointer":"/schedule"')
})
