import { type Bus, ignorePoison } from '@belfry/bus'
import { executionStatusOf, isEnded, isRefusal } from '@belfry/contracts'
import type { JobService } from '@belfry/job-service'
import type { Logger } from '@belfry/service'

/** The id of the job comes from its owner's UUID, so that another try after a crash makes no second job. */
const mintedFor = (userId: string) => userId.slice('usr-'.length)

/**
 * The first user who signs up on a data folder gets a job called `hello`, which runs at once: so the first list is not
 * empty, and the log shows an execution. It is made once. After a crash in between, the next start makes it.
 */
export async function sayHello(ownerId: string, jobs: JobService['jobs'], bus: Bus, log: Logger): Promise<void> {
  const made = await jobs.createOnce({
    ownerId,
    minted: mintedFor(ownerId),
    key: 'hello',
    body: {
      name: 'hello',
      jobType: 'DUMMY',
      params: { durationMs: 200, payload: 'Hello from Belfry' },
      delay: '500ms',
    },
  })
  if (made === null) return
  if (isRefusal(made)) {
    if (made.code !== 'conflict') log.warn({ reason: made.detail }, 'the job hello could not be made')
    return
  }
  log.info({ jobId: made.id }, 'made the job hello for the first user; it runs in half a second')
  const subscription = await bus.subscribe('job-status', 'hello', {
    onBatch: async (messages) => {
      const end = messages.find(({ key, value }) => key === made.id && isEnded(value.state))
      if (!end) return
      const { executionId, timeline } = end.value
      const latenessMs = timeline.startedAt === null ? null : timeline.startedAt - end.value.fireAt
      log.info({ executionId, latenessMs }, `hello ran: ${executionStatusOf(end.value)}`)
      // Not awaited: `stop` waits for the current batch, which is this one.
      void subscription.stop()
    },
    onPoison: ignorePoison,
  })
}
