import { expect, it, vi } from 'vitest'
import { openPage } from './page.ts'

vi.setConfig({ testTimeout: 120_000 })

it('the guide "logins, keys and roles" does what it says, command by command', async () => {
  const { belfry, shell, blocks: read } = await openPage('docs/guide/auth-and-roles.md')
  const blocks = await read('auth')
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
