import { type JobType, type Refusal, refusal, type Warning } from '@belfry/contracts'
import { nearestName } from '@belfry/service'
import { compileParamsCheck, compileParamWarnings, type ParamsCheck } from './params.ts'

/** What job-service needs of a job type. */
export interface KnownType {
  readonly type: string
  /** What a job of this type gets when it names none, milliseconds. */
  readonly timeoutMs: number
  readonly checkParams: ParamsCheck
  /** What may not be meant in params that pass. */
  readonly warningsOf: (params: Record<string, unknown>) => readonly Warning[]
}

/** One good copy of the executor's list, by type. */
export type JobTypes = ReadonlyMap<string, KnownType>

/** Compiles each type's schema once; throws when one cannot be compiled, so that the last good list stays. */
export function readJobTypes(list: readonly JobType[]): JobTypes {
  return new Map(
    list.map(({ type, timeoutMs, params, paramWarnings = [] }) => {
      const warningsOf = compileParamWarnings(paramWarnings)
      return [type, { type, timeoutMs, checkParams: compileParamsCheck(params), warningsOf }]
    }),
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
