import { writeFile } from 'node:fs/promises'
import type { ExecutionView, JobView, RedriveReply } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../belfry-process.ts'
import { type Caller, readAll, signUp } from '../caller.ts'
import { fleetPeers, startFleet } from '../fleet.ts'
import { recordResult } from '../report/result.ts'
import { openTarget } from '../target.ts'
import { check } from './check.ts'
import { makePlan } from './plan.ts'
import { run } from './run.ts'

/** Larger figures than those of CI, by environment. */
const jobs = Number(process.env.BELFRY_OPERATIONS_JOBS ?? 400)
const jobsPerSecond = Number(process.env.BELFRY_OPERATIONS_JOBS_PER_SECOND ?? 40)
const seed = Number(process.env.BELFRY_OPERATIONS_SEED ?? 10)
/** A file for all that is known of the jobs, to look into what was found. */
const recordFile = process.env.BELFRY_OPERATIONS_RECORD
const deadLetters = 1000

const testMs = (jobs / jobsPerSecond) * 1000 + jobs * 50 + 240_000

async function openStandalone(): Promise<Caller> {
  const dataDir = await makeDataDir()
  const belfry = await startBelfry(dataDir.path)
  onTestFinished(async () => {
    await belfry.stop()
    await dataDir.remove()
  })
  return signUp(belfry.url)
}

const peers = fleetPeers()

/** Two executors, over Kafka. */
async function openFleet(): Promise<Caller> {
  if (!peers) throw new Error('no servers')
  const fleet = await startFleet({ peers, instances: { 'executor-service': 2 } })
  onTestFinished(() => fleet.stop())
  return signUp(fleet.url)
}

const bodies = [
  ['standalone', openStandalone],
  ...(peers ? ([['on two executors over Kafka', openFleet]] as const) : []),
] as const

describe.each(bodies)('%s', (_name, open) => {
  it(
    'jobs that are updated, paused and deleted around their fire times start nothing unlisted, lose nothing and double nothing',
    async () => {
      const target = await openTarget()
      onTestFinished(() => target.close())
      const records = await run(await open(), target, makePlan(seed, jobs, jobsPerSecond))
      if (recordFile) await writeFile(recordFile, JSON.stringify(records))
      const changes = records.flatMap((record) => record.changes)
      const { unlisted, lost, doubled } = check(records)
      const firm = changes.filter(({ isFirm }) => isFirm).length
      const listed = changes.reduce((sum, one) => sum + one.listed.length, 0)
      const latestMs = Math.round(Math.max(...target.calls.map(({ at, fireAt }) => at - fireAt)))
      const calls = target.calls.length
      recordResult({
        layer: 'operations',
        tried: { jobs: records.length, changes: changes.length, 'calls of the target': calls },
        seen: { 'firm changes': firm, 'executions listed as in flight': listed },
        found: [],
      })
      console.log(JSON.stringify({ jobs: records.length, changes: changes.length, firm, listed, calls, latestMs }))
      expect({ unlisted, lost, doubled }).toEqual({ unlisted: [], lost: [], doubled: [] })
      // A machine that is too busy makes jobs too late, and executors confirm changes after their answer.
      expect(records.length).toBeGreaterThan(jobs * 0.9)
      // Otherwise nothing was asked close to a fire time.
      expect(listed).toBeGreaterThan(0)
      expect(firm).toBeGreaterThan(changes.length * 0.5)
    },
    testMs,
  )

  it('a thousand dead letters are redriven in one call, each once', async () => {
    let isMended = false
    const target = await openTarget((_call, response) => void response.writeHead(isMended ? 200 : 400).end('{}'))
    onTestFinished(() => target.close())
    const user = await open()
    const job = await user.call<JobView>('POST', '/jobs', { jobType: 'HTTP_CALL', params: { url: target.url } })
    const triggers = Array.from({ length: deadLetters }, () => `/jobs/${job.body.id}/trigger`)
    const trigger = async () => {
      for (let path = triggers.pop(); path; path = triggers.pop()) {
        const { status } = await user.call('POST', path, {})
        expect(status).toBe(202)
      }
    }
    await Promise.all(Array.from({ length: 16 }, trigger))
    const failed = await eventually(
      'all to fail',
      async () => {
        const found = await readAll<ExecutionView>(user, '/dead-letters')
        return found.length === deadLetters ? found : undefined
      },
      120_000,
    )
    isMended = true
    const begin = performance.now()
    const { status, body } = await user.call<RedriveReply>('POST', '/dead-letters/redrive', { filter: {} })
    console.log(JSON.stringify({ deadLetters, redrivenInMs: Math.round(performance.now() - begin) }))
    expect([status, body.counts, body.more]).toEqual([
      200,
      { redriven: deadLetters, alreadyRedriven: 0, refused: 0 },
      false,
    ])
    const ids = failed.map(({ id }) => id)
    const again = await user.call<RedriveReply>('POST', '/dead-letters/redrive', { ids })
    expect(again.body.counts).toEqual({ redriven: 0, alreadyRedriven: deadLetters, refused: 0 })
    await target.reached(2 * deadLetters)
    const runs = await eventually(
      'all to succeed',
      async () => {
        const found = await readAll<ExecutionView>(user, `/jobs/${job.body.id}/executions?status=SUCCESS`)
        return found.length === deadLetters ? found : undefined
      },
      60_000,
    )
    expect(runs.map(({ retryOf }) => retryOf).toSorted()).toEqual(ids.toSorted())
    expect(target.calls.filter(({ key }) => !ids.includes(key))).toHaveLength(deadLetters)
    expect(await readAll(user, '/dead-letters')).toEqual([])
  }, 300_000)
})
