import { changeMutants } from './changes.ts'
import { executionMutants } from './executions.ts'
import type { Mutant } from './mutant.ts'
import { scheduleMutants } from './schedules.ts'

export type { Mutant }

export const mutants: readonly Mutant[] = [...executionMutants, ...changeMutants, ...scheduleMutants]
