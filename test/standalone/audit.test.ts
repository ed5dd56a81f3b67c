import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { createCaller, signUp } from '../../proof/caller.ts'

const callers = 32
const killAfter = 300

/** The request ids of all rows in a service's file. */
function recordedIn(file: string): Set<string> {
  const db = new DatabaseSync(file)
  try {
    const rows = db.prepare("SELECT about ->> '$[1]' AS requestId FROM audit").all()
    return new Set(rows.map(({ requestId }) => String(requestId)))
  } finally {
    db.close()
  }
}

it('every change that was acknowledged before a kill has its audit row', { timeout: 60_000 }, async () => {
  const data = await makeDataDir()
  const dataDir = join(data.path, 'belfry')
  const belfry = await startBelfry(dataDir)
  onTestFinished(async () => {
    await belfry.kill()
    await data.remove()
  })
  const user = await signUp(belfry.url)
  const acknowledged: string[] = []
  let dead: Promise<void> | undefined
  const work = async () => {
    for (;;) {
      const made = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 1 } })
      if (made.status !== 201) return
      acknowledged.push(String(made.headers.get('x-request-id')))
      const run = await user.call('POST', `/jobs/${made.body.id}/trigger`)
      if (run.status === 202) acknowledged.push(String(run.headers.get('x-request-id')))
      if (acknowledged.length >= killAfter) dead ??= belfry.kill()
    }
  }
  await Promise.all(Array.from({ length: callers }, () => work().catch(() => undefined)))
  await dead
  expect(acknowledged.length).toBeGreaterThanOrEqual(killAfter)
  const recorded = recordedIn(join(dataDir, 'jobs.db'))
  expect(acknowledged.filter((id) => !recorded.has(id))).toEqual([])

  const again = await startBelfry(dataDir)
  onTestFinished(() => again.kill())
  const after = createCaller(again.url, user.token)
  const { body } = await after.call<{ data: { action: string; outcome: string }[] }>('GET', '/audit?limit=200')
  expect(body.data.some(({ action, outcome }) => action === 'createJob' && outcome === 'done')).toBe(true)
  expect((await after.call('GET', '/audit/verify')).status).toBe(403)
  expect((await again.stop()) === '0').toBe(true)
})
