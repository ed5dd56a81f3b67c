import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished, vi } from 'vitest'
import { makeDataDir } from '../../proof/belfry-process.ts'
import { openShell, readBlocks } from './shell.ts'

vi.setConfig({ testTimeout: 120_000 })

const page = join(import.meta.dirname, '../guide/auth-and-roles.md')

it('the guide "logins, keys and roles" does what it says, command by command', async () => {
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
  const blocks = (await readBlocks(page, 'auth')).map((block) => block.replaceAll('http://127.0.0.1:8080', belfry.url))
  const [login, refresh, makeKey, deleteKey, bootstrap, promote, invite, rotate, ...rest] = blocks as [
    ...[string, string, string, string, string, string, string, string],
  ]
  expect(rest).toEqual([])

  const first = await shell.run(login, 'REFRESH')
  expect(first.printed).toContain('"via":"login"')
  expect(first.value).toMatch(/^bfr_/)
  const second = await shell.run(refresh, 'REFRESH')
  expect(second.value).toMatch(/^bfr_/)
  expect(second.value).not.toBe(first.value)
  const key = await shell.run(makeKey, 'KEY')
  expect(key.value).toMatch(/^bfk_/)
  expect(key.printed.match(/"key":"from-a-machine"/g)).toHaveLength(2)
  expect((await shell.run(deleteKey, 'KEY_ID')).printed.trim()).toBe('204')
  const oneTime = belfry.firstAdminUrl?.split('#')[1]
  const admin = await shell.run(`ONE_TIME=${oneTime}\n${bootstrap}`, 'ADMIN')
  expect(admin.printed).toContain('"roles":["admin"]')
  expect((await shell.run(promote, 'USER_ID')).printed).toContain('"roles":["operator"]')
  const invited = await shell.run(invite, 'LINK')
  expect(invited.value).toContain('/set-password#bfi_')
  expect(invited.printed).toMatch(/"username":"grace","roles":\["viewer"\]/)
  expect((await shell.run(rotate, 'B')).printed).toContain('"signsInMs":30000')
})
