import type { Bus } from '@belfry/bus'
import { executionStatusOf, isEnded, isRefusal } from '@belfry/contracts'
import type { JobService } from '@belfry/job-service'
import type { Logger } from '@belfry/service'

/** Who owns the jobs that come with Belfry; nobody can log in as this user. */
const systemUser = 'usr-belfry'

/**
 * On the very first start a job called `hello` runs, so that nothing is empty and the log shows what a run looks like.
 * On every later start its key is taken, and nothing happens.
 */
export async function sayHello(jobs: JobService['jobs'], bus: Bus, log: Logger): Promise<void> {
  const made = await jobs.putJob({
    ownerId: systemUser,
    key: 'hello',
    body: {
      name: 'hello',
      jobType: 'DUMMY',
      params: { durationMs: 200, payload: 'Hello from Belfry' },
      delay: '500ms',
    },
  })
  if (isRefusal(made)) {
    if (made.refused !== 'conflict') log.warn({ reason: made.detail }, 'the job hello could not be made')
    return
  }
  log.info({ jobId: made.id }, 'first start: made the job hello, which runs in half a second')
  const subscription = await bus.subscribe('job-status', 'hello', async (messages) => {
    const end = messages.find(({ key, value }) => key === made.id && isEnded(value.state))
    if (!end) return
    const { executionId, timeline } = end.value
    const latenessMs = timeline.startedAt === null ? null : timeline.startedAt - end.value.fireAt
    log.info({ executionId, latenessMs }, `hello ran: ${executionStatusOf(end.value)}`)
    // Not awaited: stopping waits for the batch at work, which is this one.
    void subscription.stop()
  })
}
