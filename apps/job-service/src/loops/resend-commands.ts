import type { CommandPublisher } from '@belfry/bus'
import type { Clock } from '@belfry/service'
import type { PageBounds, WorkShare } from '@belfry/storage'
import { type Backoff, nextRepetitionAt } from '../domain/backoff.ts'
import type { DueCursor, ExecutionStore } from '../store/ports.ts'
import { createDueLister } from '../use-cases/list-due.ts'

export interface ResendCommandsOptions {
  readonly executions: ExecutionStore
  readonly commands: Pick<CommandPublisher, 'publish'>
  readonly clock: Clock
  readonly share: () => WorkShare
  readonly page: PageBounds
  readonly backoff: Backoff
}

/**
 * One iteration of sending the commands of triggers again that no job-status has answered (docs/protocol.md step 7): 5 s after
 * the first time, then twice as long each time up to 60 s, and at once for what a process before this one has left. The
 * process that moves the next time of a row sends its command; each instance looks for those of its share. Answers true when there may be more.
 */
export function createResendCommands(options: ResendCommandsOptions): () => Promise<boolean> {
  const { executions, commands, clock, share, page, backoff } = options
  const read = (until: number, after: DueCursor | null) => executions.listDueCommands(until, page, share(), after)
  const list = createDueLister({ read, clock, backoff })
  return async () => {
    const { due, isMore } = await list()
    if (due.length === 0) return isMore
    const now = clock.now()
    const claims = due.map((one) => ({ due: one, nextSendAt: nextRepetitionAt(one, now, backoff) }))
    // After a lost answer a row may be claimed and its command not sent: it is due again at its next time.
    const claimed = await executions.postponeManyIfUnchanged(claims)
    const isSent = await commands.publish(claimed.map((one) => one.command))
    return isSent && isMore
  }
}
