import { type JobType, type RetryPolicy, refusal, type Warning } from '@belfry/contracts'
import { compileParamsCheck, compileParamWarnings, type ParamsCheck } from './params.ts'

/** What job-service needs of a job type. */
export interface KnownType {
  readonly type: string
  /** What a job of this type gets when it names none, milliseconds. */
  readonly timeoutMs: number
  /** What a job of this type gets of its retry policy when it does not name it. */
  readonly retry: Partial<RetryPolicy>
  readonly checkParams: ParamsCheck
  /** What may not be meant in params that pass. */
  readonly warningsOf: (params: Record<string, unknown>) => readonly Warning[]
}

/** The executors' list, by type. */
export type JobTypes = ReadonlyMap<string, KnownType>

const takesAll: ParamsCheck = () => []

/**
 * Handlers of users bring schemas of any library. One that cannot be compiled costs its own type only: its params are then checked
 * when the job runs.
 */
function checkOf(params: JobType['params']): ParamsCheck {
  try {
    return compileParamsCheck(params)
  } catch {
    return takesAll
  }
}

/** Compiles each type's schema once. */
export function readJobTypes(list: readonly JobType[]): JobTypes {
  return new Map(
    list.map(({ type, timeoutMs, params, paramWarnings = [], retry = {} }) => {
      const warningsOf = compileParamWarnings(paramWarnings)
      return [type, { type, timeoutMs, retry: retry as Partial<RetryPolicy>, checkParams: checkOf(params), warningsOf }]
    }),
  )
}

/** Why no job can be made or triggered before the first list. */
export const noTypesYet = refusal('unavailable', 'no executor has said yet which job types there are', {
  retryAfterS: 1,
})
