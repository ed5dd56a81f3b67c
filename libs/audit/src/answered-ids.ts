/** What a successful answer says about what it has changed. */
export interface Answered {
  /** The job first where there is one. */
  readonly ids: readonly string[]
  readonly version: number | null
}

/** Ids stand at the begin of an answer: no more characters of it are searched. */
const searched = 400
/** Members that hold what users have given: an id in them names nothing that was changed. */
const ofUsers = /"(?:params|payload|result|schema|headers)":/
const jobId = /"jobId":"([\w.-]{1,100})"/
const ownId = /"id":"([\w.-]{1,100})"/
/** `/jobs/job-…`, and not `/auth/me`. */
const lastSegment = /\/([a-z]{2,5}-[\w.-]{1,100})$/
const version = /^(?:W\/)?"(\d{1,15})/

const partOf = (pattern: RegExp, text: unknown) => (typeof text === 'string' ? pattern.exec(text)?.[1] : undefined)

/** Reads the headers and the first characters of a body. The text is not parsed: that would cost more than the row. */
export function answeredIds(headers: Readonly<Record<string, unknown>>, payload: unknown): Answered {
  const head = typeof payload === 'string' ? (payload.slice(0, searched).split(ofUsers, 1)[0] as string) : ''
  const found = [partOf(jobId, head), partOf(ownId, head), partOf(lastSegment, headers.location)]
  const changed = partOf(version, headers.etag)
  return {
    ids: [...new Set(found.filter((id) => id !== undefined))],
    version: changed === undefined ? null : Number(changed),
  }
}
