import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createLog, createMetrics } from '@belfry/service'
import { dropMongoDatabase, peerUrl, uniqueName } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import { openMongo } from '../../src/mongo/index.ts'
import { bells } from './bells.ts'

const url = peerUrl('mongo') ?? ''
const ringer = fileURLToPath(new URL('./ringer.ts', import.meta.url))

describe.skipIf(url === '')('a crash point of a step on MongoDB', { timeout: 60_000 }, () => {
  async function ring(crashAt: string) {
    const name = uniqueName('crash')
    const own = new URL(name, url).href
    const { signal, stdout, stderr } = spawnSync(process.execPath, [ringer, own, crashAt], { encoding: 'utf8' })
    expect(stderr).toBe('')
    const log = createLog({ level: 'fatal' })
    const metrics = createMetrics().forService('test')
    const db = await openMongo(own, {
      database: name,
      schemaVersion: 1,
      steps: null,
      collections: [bells],
      log,
      metrics,
    })
    const stored = (await db.collection(bells).find('bells.list', {}, { sort: { _id: 1 } })).map(({ _id }) => _id)
    await db.close()
    await dropMongoDatabase(url, name)
    return { signal, acknowledged: stdout.split('\n').filter(Boolean), stored }
  }

  it('before it leaves nothing of it', async () => {
    expect(await ring('bells.add:before#2')).toEqual({ signal: 'SIGKILL', acknowledged: ['Emma'], stored: ['Emma'] })
  })

  it('after it leaves it stored, without an acknowledgement', async () => {
    expect(await ring('bells.add:after')).toEqual({ signal: 'SIGKILL', acknowledged: [], stored: ['Emma'] })
  })

  it('that is not taken changes nothing, and the process ends when the database is closed', async () => {
    const { signal, acknowledged, stored } = await ring('bells.melt:after')
    expect([signal, acknowledged.length, stored.length]).toEqual([null, 4, 4])
  })
})
