import { copyFile, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished, vi } from 'vitest'
import { eventually, makeDataDir } from '../../proof/belfry-process.ts'
import { createCaller, signUp } from '../../proof/caller.ts'
import { openShell, readBlocks } from './shell.ts'

vi.setConfig({ testTimeout: 120_000 })

const root = join(import.meta.dirname, '../..')

/** A folder as a clone has it: what npm has installed is there, and no handler yet. */
async function openClone() {
  const clone = await mkdtemp(join(tmpdir(), 'belfry-clone-'))
  await symlink(join(root, 'node_modules'), join(clone, 'node_modules'))
  await copyFile(join(root, 'package.json'), join(clone, 'package.json'))
  onTestFinished(() => rm(clone, { recursive: true }))
  return clone
}

it('the guide "write your own job" does what it says, command by command', async () => {
  const clone = await openClone()
  const folder = await makeDataDir()
  const belfry = await openStandalone({
    BELFRY_DATA_DIR: folder.path,
    BELFRY_PORT: '0',
    BELFRY_LOG_LEVEL: 'warn',
    BELFRY_EXECUTOR_HANDLERS: join(clone, 'handlers'),
    BELFRY_EXECUTOR_HANDLERS_WATCH: 'true',
  })
  const shell = openShell({ cwd: clone })
  onTestFinished(async () => {
    shell.close()
    await belfry.stop()
    await folder.remove()
  })
  const guide = await readBlocks(join(root, 'docs/guide/write-your-own-job.md'), 'guide')
  const blocks = guide.map((block) => block.replaceAll('http://127.0.0.1:8080', belfry.url))
  const [write, look, run, results, refused, test, ...rest] = blocks as [string, string, string, string, string, string]
  expect(rest).toEqual([])

  await shell.run(write, 'HOME')
  // The page starts Belfry after this step; here it runs already, and watches the folder.
  const other = await signUp(belfry.url)
  await eventually('the job type', async () => {
    const { status } = await other.call('GET', '/job-types/GREET')
    return status === 200 ? true : undefined
  })
  const looked = await shell.run(look, 'TOKEN')
  expect(looked.printed).toContain('"type":"GREET"')
  expect(looked.printed).toContain('"maximum":10')
  const user = createCaller(belfry.url, looked.value)
  const ran = await shell.run(run, 'EXECUTION')
  expect(ran.value).toMatch(/^exe-/)
  await eventually('the greeting', async () => {
    const { body } = await user.call<{ status: string }>('GET', `/executions/${ran.value}`)
    return body.status === 'SUCCESS' ? true : undefined
  })
  const shown = await shell.run(results, 'JOB')
  expect(shown.printed).toContain('"result":{"greeted":"Ann"}')
  expect(shown.printed).toContain('Hello Ann, for the 3. time')
  expect(shown.printed).toMatch(/^Hello Ann$/m)
  const mistaken = await shell.run(refused, 'JOB')
  expect(mistaken.printed).toContain('"pointer":"/params/name"')
  expect(mistaken.printed).toContain('"pointer":"/params/times"')
  expect((await shell.run(test, 'JOB')).printed).toMatch(/pass 1$/m)
})
