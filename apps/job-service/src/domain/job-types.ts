import { type JobType, type Refusal, refusal } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { compileParamsCheck, type ParamsCheck } from './params.ts'

/** What job-service needs of a job type. */
export interface KnownType {
  readonly type: string
  /** What a job of this type gets when it names none, milliseconds. */
  readonly timeoutMs: number
  readonly checkParams: ParamsCheck
}

/** One good copy of the executor's list, by type. */
export type JobTypes = ReadonlyMap<string, KnownType>

/** Compiles each type's schema once; throws when one cannot be compiled, so that the last good list stays. */
export function readJobTypes(list: readonly JobType[]): JobTypes {
  return new Map(
    list.map(({ type, timeoutMs, params }) => [type, { type, timeoutMs, checkParams: compileParamsCheck(params) }]),
  )
}

/** The type's entry, or the 422 that names the nearest known one. */
export function findType(types: JobTypes, type: string): KnownType | Refusal {
  const known = types.get(type)
  if (known) return known
  const suggestion = nearestName(type, [...types.keys()])
  const detail = `there is no job type "${type.slice(0, 100)}"; known are ${[...types.keys()].sort().join(', ')}`
  const fault = { pointer: '/jobType', code: 'unknown-job-type', detail, ...(suggestion && { suggestion }) }
  return refusal('impossible', 'no executor knows this job type', { errors: [fault] })
}
