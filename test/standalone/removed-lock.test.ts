import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { makeDataDir, startBelfry } from '../../proof/belfry-process.ts'

describe('a second Belfry on the data of one that runs', () => {
  it('refuses to start although the lock file was deleted, and leaves the first one at work', async () => {
    const folder = await makeDataDir()
    const first = await startBelfry(folder.path)
    try {
      await rm(join(folder.path, 'belfry.lock'))
      const second = await startBelfry(folder.path, { mayDie: true })
      expect(await second.exited).toBe('1')
      expect(second.output()).toBe(
        `${join(folder.path, 'auth.db')}: another process has this file open; stop that process, or set ` +
          'BELFRY_DATA_DIR to another folder\n',
      )
      expect((await fetch(`${first.url}/readyz`)).status).toBe(200)
      await first.kill()
      await (await startBelfry(folder.path)).stop()
    } finally {
      await first.kill()
      await folder.remove()
    }
  }, 60_000)
})
