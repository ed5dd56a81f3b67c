import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const ringer = fileURLToPath(new URL('./ringer.ts', import.meta.url))

describe('a crash point', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'belfry-crash-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  function ring(crashAt: string) {
    const path = join(folder, 'bells.db')
    const { signal, stdout, stderr } = spawnSync(process.execPath, [ringer, path, crashAt], { encoding: 'utf8' })
    expect(stderr).toBe('')
    const db = new DatabaseSync(path)
    const stored = db
      .prepare('SELECT name FROM bells ORDER BY rowid')
      .all()
      .map((row) => row.name)
    db.close()
    return { signal, acknowledged: stdout.split('\n').filter(Boolean), stored }
  }

  it('before a step leaves nothing of it', () => {
    expect(ring('bells.add:before')).toEqual({ signal: 'SIGKILL', acknowledged: [], stored: [] })
  })

  it('after a step leaves it stored, without an acknowledgement', () => {
    expect(ring('bells.add:after')).toEqual({ signal: 'SIGKILL', acknowledged: [], stored: ['Emma'] })
  })

  it('counts', () => {
    expect(ring('bells.add:before#3')).toEqual({
      signal: 'SIGKILL',
      acknowledged: ['Emma', 'Gabriel'],
      stored: ['Emma', 'Gabriel'],
    })
  })

  it('of a step that is not taken changes nothing', () => {
    const all = ['Emma', 'Gabriel', 'Peter', 'Maria']
    expect(ring('bells.melt:after')).toEqual({ signal: null, acknowledged: all, stored: all })
  })
})
