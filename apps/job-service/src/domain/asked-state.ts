import { type JobStatusWord, type Refusal, refusal, type ShownJobState } from '@belfry/contracts'

/** What a caller asks for who names the status that a job shall have (docs/guide/http-conventions.md, `PATCH /api/v1/jobs/:id/state`). */
export type AskedStep = 'none' | 'resume' | 'run-again' | 'pause' | 'cancel'

/** A job as it is shown. */
interface ShownJob {
  readonly status: JobStatusWord
  readonly state: ShownJobState
}

/** The statuses that can be asked for; every other one is reached by a run alone. */
const askable = ['SCHEDULED', 'PAUSED', 'CANCELLED'] as const
type Askable = (typeof askable)[number]
/** The newest execution that has ended did not do its work. */
const unsuccessful: readonly JobStatusWord[] = ['FAILED', 'LOST', 'EXPIRED']

const isAskable = (asked: JobStatusWord): asked is Askable => askable.some((one) => one === asked)

function allowedOn({ state }: ShownJob): readonly Askable[] {
  if (state === 'cancelled' || state === 'deleted') return ['CANCELLED']
  return askable
}

function stepToScheduled({ status, state }: ShownJob): AskedStep | null {
  if (state === 'paused') return 'resume'
  if (unsuccessful.includes(status)) return 'run-again'
  return state === 'completed' ? null : 'none'
}

/** The step that leads to the status; a refusal (409) with the statuses that can be asked for. */
export function stepTo(asked: JobStatusWord, job: ShownJob): AskedStep | Refusal {
  const allowed = allowedOn(job)
  const refused = (detail: string, left = allowed) => refusal('illegal-transition', detail, { allowed: left })
  if (!isAskable(asked)) return refused(`${asked} is set by the executors alone.`)
  if (!allowed.includes(asked)) return refused(`The job is ${job.state} and cannot become ${asked}.`)
  if (asked !== 'SCHEDULED') return asked === 'PAUSED' ? 'pause' : 'cancel'
  const step = stepToScheduled(job)
  const others = allowed.filter((one) => one !== asked)
  return step ?? refused('The job has run and has no fire time left: trigger it to run it again.', others)
}
