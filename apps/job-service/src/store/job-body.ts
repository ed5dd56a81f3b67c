import type { JobChange, JobSpec, JobState, Warning } from '@belfry/contracts'
import { type Job, type ListedSpec, type Pause, pauseOf, type Viewer } from '../domain/job.ts'

/** What the record of a job holds as one text, in both stores: all of the job that no query asks for. */
interface JobBody extends Omit<JobSpec, 'name' | 'jobType' | 'params'> {
  readonly changes: readonly JobChange[]
  readonly warnings: readonly Warning[]
  /** Absent without any. */
  readonly viewers?: readonly Viewer[]
  /** Of a paused job. */
  readonly pause?: Pause
}

/** The text of a job. */
export function jobBodyText({ spec, changes, warnings, viewers, pause }: Job): string {
  const { name: _name, jobType: _jobType, params: _params, ...rest } = spec
  return JSON.stringify({
    ...{ ...rest, changes, warnings },
    ...(viewers.length > 0 && { viewers }),
    ...(pause && { pause }),
  } satisfies JobBody)
}

/** What a text of `jobBodyText` holds, as it stands there. */
export function parseJobBody(text: string): JobBody {
  return JSON.parse(text)
}

/** The columns, or fields, of a record that the body is read with. `params`: null where they were not read. */
export interface JobTexts {
  readonly state: JobState
  readonly name: string
  readonly jobType: string
  readonly body: string
  readonly params: string | null
}

/** The fields of a job that its texts hold; with params where they were read. */
export function readJobBody({ state, name, jobType, body, params }: JobTexts) {
  const { changes, warnings, viewers = [], pause, ...rest } = parseJobBody(body)
  const spec: ListedSpec = { name, jobType, ...(params !== null && { params: JSON.parse(params) }), ...rest }
  return { spec, changes, warnings, viewers, pause: pauseOf(state, pause) }
}
