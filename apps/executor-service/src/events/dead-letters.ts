import type { Bus, OutgoingMessage } from '@belfry/bus'
import type { JobStatusMessage } from '@belfry/contracts'

function asDeadLetter({ key, value }: { key: string; value: JobStatusMessage }): OutgoingMessage<'job-dead-letter'> {
  return { key, value: { kind: 'execution', jobId: value.jobId, execution: value } }
}

/**
 * The bus as the relay of job-status sees it: an execution that has failed for good goes out on job-dead-letter too, before
 * its status counts as published. So none is lost; one may come twice, like everything on the bus.
 */
export function withDeadLetters(bus: Bus): Pick<Bus, 'publish'> {
  return {
    async publish(topic, messages) {
      if (topic === 'job-status') {
        const failed = (messages as readonly OutgoingMessage<'job-status'>[]).filter(
          (one) => one.value.state === 'failed',
        )
        if (failed.length > 0) await bus.publish('job-dead-letter', failed.map(asDeadLetter))
      }
      await bus.publish(topic, messages)
    },
  }
}
