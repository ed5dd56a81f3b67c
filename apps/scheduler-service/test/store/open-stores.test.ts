import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStoreThread } from '@belfry/storage/sqlite'
import { createTestDeps } from '@belfry/testkit'
import { afterAll, describe, expect, it } from 'vitest'
import { openStores } from '../../src/index.ts'

describe('openStores', () => {
  const thread = openStoreThread()
  const folder = mkdtempSync(join(tmpdir(), 'belfry-stores-'))
  const { depsOf } = createTestDeps()
  const options = { ...depsOf('scheduler-service'), thread: () => thread }
  afterAll(async () => {
    await thread.close()
    rmSync(folder, { recursive: true })
  })

  it('opens the file of an SQLite URL, with what was stored in it before', async () => {
    const url = `sqlite:${join(folder, 'scheduler.db')}`
    const before = await openStores(url, options)
    await before.cursors.write('somewhere', 7)
    await before.close()
    const after = await openStores(url, options)
    expect(await after.cursors.read('somewhere')).toBe(7)
    await after.close()
  })

  it('names the known schemes when the scheme of a URL is unknown', async () => {
    await expect(openStores('redis://localhost/belfry', options)).rejects.toThrow('there are sqlite:')
  })
})
