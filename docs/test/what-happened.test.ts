import { expect, it, vi } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'
import { openPage } from './page.ts'

vi.setConfig({ testTimeout: 120_000 })

it('the guide "what happened, and why" does what it says, command by command', async () => {
  const { belfry, shell, blocks: read } = await openPage('docs/guide/what-happened.md')
  const blocks = await read('happened')
  const [begin, failed, retry, log, rest, events, why, audit, ...others] = blocks as [
    ...[string, string, string, string, string, string, string, string],
  ]
  expect(others).toEqual([])

  const begun = await shell.run(begin, 'RUN')
  expect(begun.value).toMatch(/^exe-/)
  const token = (await shell.run('', 'TOKEN')).value
  const user = createCaller(belfry.url, token)
  await eventually('the run to fail', async () => {
    const { body } = await user.call<{ status: string }>('GET', `/executions/${begun.value}`)
    return body.status === 'FAILED' ? true : undefined
  })

  const night = await shell.run(failed, 'RUN')
  expect(night.printed).toContain('"status":"FAILED"')
  expect(night.printed).toContain('"code":"failed"')
  expect(night.printed).toContain('with the reason \\"the nightly import\\"')
  const again = await shell.run(retry, 'RUN')
  expect(again.printed).toContain(`"id":"${begun.value}"`)
  expect(again.printed).toContain(`"retryOf":"${begun.value}"`)

  const live = await shell.run(log, 'SLOW')
  expect(live.printed).toMatch(/id: 1\.1\nevent: line\n/)
  expect(live.printed).toContain('event: end\ndata: {"reason":"complete","status":"SUCCESS"}')
  const resumed = await shell.run(rest, 'SLOW')
  expect(resumed.printed).not.toContain('id: 1.1\n')
  expect(resumed.printed).toContain('event: end')

  const followed = await shell.run(events, 'B')
  expect(followed.printed).toMatch(/event: job\ndata: .*"change":"pause"/)

  const reasons = await shell.run(why, 'B')
  expect(reasons.printed.match(/"code":"paused"/g)).toHaveLength(2)
  expect(reasons.printed).toContain('by ann')

  const seen = await shell.run(audit, 'JOB')
  expect(seen.value).toMatch(/^job-/)
  expect(seen.printed).toContain('"outcome":"done"')

  const [verify] = (await read('admin')) as [string]
  const made = await user.call<{ token: string }>('POST', '/auth/bootstrap', {
    ...{ token: belfry.firstAdminUrl?.split('#')[1], username: 'root', password: 'correct horse battery' },
  })
  expect(made.status).toBeLessThan(300)
  const login = { username: 'root', password: 'correct horse battery' }
  const admin = (await user.call<{ token: string }>('POST', '/auth/login', login)).body.token
  expect((await shell.run(`ADMIN=${admin}\n${verify}`, 'B')).printed).toContain('"status":"intact"')
})
