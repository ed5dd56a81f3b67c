import { expect, it } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'
import { openPage } from './page.ts'

it('the tour of the README does what it says, command by command', async () => {
  const { belfry, shell, blocks: read } = await openPage('README.md')
  const blocks = await read('tour')
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
