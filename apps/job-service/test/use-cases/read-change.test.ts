import { isRefusal } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { jobConfig } from '../../src/config.ts'
import { type Job, updatedJob } from '../../src/domain/job.ts'
import { readChange } from '../../src/use-cases/read-change.ts'
import { jobOf, monday } from '../fixtures.ts'
import { types } from '../job-types.ts'
import { createDocumentStores } from '../store/document-stores.ts'

const hour = 3_600_000

type CronInput = string | { readonly cron: string; readonly timezone?: string }

/** A one-shot job with many changes, an hour after the tenth of them. */
function changedJob(): Job {
  let job = jobOf({ schedule: { kind: 'once', runAt: monday + hour } })
  for (let n = 1; n <= 20; n++) {
    const now = monday + n * 1000
    const schedule = n < 10 ? job.spec.schedule : ({ kind: 'once', runAt: monday + 10_000 + hour } as const)
    const next = updatedJob(job, { spec: { ...job.spec, schedule, priority: 1 + (n % 9) }, warnings: [] }, now)
    job = isRefusal(next) ? expect.fail(next.detail) : next
  }
  return job
}

/** What a schedule or a delay makes of the job, and how often the body was read for it. */
async function readWith(job: Job, timing: { readonly delay?: number; readonly schedule?: CronInput }) {
  let reads = 0
  const knowing = async () => {
    reads += 1
    return types
  }
  const list = { knowing, lacks: () => false, renew: async () => undefined }
  const stores = createDocumentStores()
  const clock = createManualClock(monday + hour / 2)
  const context = { stores, types: list, clock, config: jobConfig.parse({}) }
  const { jobType, params, priority } = job.spec
  const answer = await readChange(context, job, { name: 'nightly', jobType, params, priority, ...timing })
  return { reads, answer: isRefusal(answer) ? expect.fail(answer.detail) : answer }
}

async function read(job: Job, delay: number) {
  const { reads, answer } = await readWith(job, { delay })
  return { reads, schedule: answer.spec.schedule }
}

describe('a delay in a change of a job', () => {
  it('that leads from an earlier change to the time of the job leaves that time, and is read once', async () => {
    const job = changedJob()
    expect(await read(job, hour)).toEqual({ reads: 1, schedule: job.spec.schedule })
  })

  it('of another length counts from now, and is read once however many changes there are', async () => {
    const runAt = monday + hour / 2 + 2 * hour
    expect(await read(changedJob(), 2 * hour)).toEqual({ reads: 1, schedule: { kind: 'once', runAt } })
  })
})

describe('a cron in a change of a job', () => {
  const berlin = jobOf({ schedule: { kind: 'cron', cron: '0 3 * * *', timezone: 'Europe/Berlin' } })
  const codesOf = async (schedule: CronInput) =>
    (await readWith(berlin, { schedule })).answer.warnings.map(({ code }) => code)

  it('that comes as a text, and takes the zone away that the job had, is warned about', async () => {
    const { answer } = await readWith(berlin, { schedule: '0 4 * * *' })
    expect(answer.spec.schedule).toMatchObject({ cron: '0 4 * * *', timezone: 'UTC' })
    expect(answer.warnings).toEqual([
      { code: 'timezone-assumed', detail: expect.stringContaining('in UTC and no longer in Europe/Berlin') },
    ])
  })

  it('that names its zone, or keeps it, is not', async () => {
    expect(await codesOf({ cron: '0 4 * * *', timezone: 'UTC' })).toEqual([])
    expect(await codesOf({ cron: '0 4 * * *', timezone: 'Europe/Berlin' })).toEqual([])
  })
})
