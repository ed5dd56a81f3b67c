import type { Violation } from '../violation.ts'
import type { CampaignResult } from './campaign.ts'
import { subjectOf } from './plan.ts'

const time = (at: number | null) => (at === null ? '-' : new Date(at).toISOString().slice(11, 23))

/** Everything that is known about the subject of a violation, in the order of time. */
export function historyOf({ subject }: Violation, { evidence, injected, watch }: CampaignResult): string[] {
  const execution = evidence.stores.executions.find(({ id }) => id === subject)
  const jobId = execution?.jobId ?? subject
  const job = evidence.stores.jobs.find(({ id, name }) => id === jobId || name === subject)
  const events = [
    ...evidence.calls
      .filter(({ key }) => key === subject)
      .flatMap(({ at, epoch, call, answeredAt, status }) => [
        { at, text: `target: call ${call} of attempt ${epoch}` },
        ...(answeredAt === null ? [] : [{ at: answeredAt, text: `target: call ${call} is answered ${status}` }]),
      ]),
    ...(watch.sightings.get(subject) ?? []).map(({ at, seq, state, epoch }) => ({
      at,
      text: `store: ${state}, seq ${seq}, epoch ${epoch} (or a little earlier)`,
    })),
    ...[...evidence.load.answered.values()]
      .filter(({ id, name }) => id === subject || id === job?.id || name === subject)
      .map(({ at, name, status, body }) => ({
        at,
        text: `load: ${name} is answered ${status}${body.inFlight ? ` with ${JSON.stringify(body.inFlight)}` : ''}`,
      })),
    ...(job?.changes ?? []).map(({ changedAt, kind, version }) => ({
      at: changedAt,
      text: `job: ${kind}, version ${version}`,
    })),
    ...(execution ? [{ at: execution.fireAt, text: 'fire time' }] : []),
  ]
  const times = events.map(({ at }) => at)
  const [from, to] = [Math.min(...times) - 10_000, Math.max(...times) + 10_000]
  const faults = injected
    .filter((one) => one.from < to && one.to > from)
    .flatMap((one) => [
      { at: one.from, text: `FAULT ${one.fault.kind} ${subjectOf(one.fault)}` },
      { at: one.to, text: `over: ${one.fault.kind} ${subjectOf(one.fault)}` },
    ])
  return [
    ...(job ? [`job ${job.id} ${job.name}, ${job.state}`] : []),
    ...(execution ? [`stored: ${JSON.stringify(execution)}`] : []),
    `copy: ${JSON.stringify(evidence.stores.copies.find(({ id }) => id === subject) ?? null)}`,
    ...[...events, ...faults].toSorted((a, b) => a.at - b.at).map(({ at, text }) => `${time(at)}  ${text}`),
  ]
}
