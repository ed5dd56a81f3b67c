import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished } from 'vitest'
import { bannerText } from '../../apps/standalone/src/banner.ts'
import { makeDataDir } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'

it('each start shows a link that makes the first admin, until there is one', async () => {
  const folder = await makeDataDir()
  onTestFinished(folder.remove)
  const env = { BELFRY_DATA_DIR: folder.path, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'silent' }
  const open = async () => {
    const belfry = await openStandalone(env)
    onTestFinished(belfry.stop)
    return belfry
  }
  const unused = await open()
  await unused.stop()
  const belfry = await open()
  const { firstAdminUrl = '', url } = belfry
  expect(firstAdminUrl).not.toBe(unused.firstAdminUrl)
  expect(bannerText(belfry)).toContain(firstAdminUrl)
  const [address, token] = firstAdminUrl.split('#')
  expect(address).toBe(`${url}/first-admin`)

  const anonymous = createCaller(url, null)
  const page = await anonymous.call<string>('GET', '/first-admin')
  expect([page.status, page.headers.get('referrer-policy'), page.headers.get('cache-control')]).toEqual([
    ...[200, 'no-referrer', 'no-store'],
  ])
  // The policy of the page takes what it loads, and nothing stands inline.
  expect(page.body).not.toMatch(/<style|<script>| on\w+=|style=/)
  const loaded = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string)
  expect(loaded).toHaveLength(2)
  for (const path of loaded) expect((await anonymous.call('GET', path)).status, path).toBe(200)
  const action = /data-action="([^"]+)"/.exec(page.body)?.[1] ?? ''

  const body = { token, username: 'root', password: '12345' }
  const made = await anonymous.call<{ roles: string[]; warnings: { code: string }[] }>('POST', action, body)
  expect([made.status, made.body.roles, made.body.warnings[0]?.code]).toEqual([201, ['admin'], 'short-password'])
  expect((await anonymous.call('POST', action, body)).status).toBe(403)
  await belfry.stop()
  const after = await open()
  expect(after.firstAdminUrl).toBeUndefined()
  expect(bannerText(after)).not.toContain('first-admin')
})
