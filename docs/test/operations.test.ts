import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished } from 'vitest'
import { createCaller, signUp } from '../../proof/caller.ts'
import { openShell, readBlocks } from './shell.ts'

const page = join(import.meta.dirname, '../guide/operations.md')

it('a copy of the data folder brings back what was there, and nothing that came later', async () => {
  const cwd = await mkdtemp(join(tmpdir(), 'belfry-operations-'))
  const shell = openShell({ cwd })
  onTestFinished(async () => {
    shell.close()
    await rm(cwd, { recursive: true })
  })
  const open = () => openStandalone({ BELFRY_DATA_DIR: join(cwd, 'data'), BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn' })
  const job = { jobType: 'DUMMY', schedule: '0 3 * * *' }
  const [backUp, restore, ...rest] = (await readBlocks(page, 'operations')) as [string, string]
  expect(rest).toEqual([])

  const first = await open()
  const user = await signUp(first.url)
  expect((await user.call('PUT', '/jobs/before', job)).status).toBe(201)
  await first.stop()
  await shell.run(backUp, 'HOME')

  const second = await open()
  expect((await createCaller(second.url, user.token).call('PUT', '/jobs/after', job)).status).toBe(201)
  await second.stop()
  await shell.run(restore, 'HOME')

  const third = await open()
  onTestFinished(() => third.stop())
  const again = createCaller(third.url, user.token)
  expect((await again.call('GET', '/jobs/before')).status).toBe(200)
  expect((await again.call('GET', '/jobs/after')).status).toBe(404)
  expect((await stat(join(cwd, 'data'))).mode & 0o077).toBe(0)
})
