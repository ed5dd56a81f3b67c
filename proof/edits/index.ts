import { admissionEdits } from './admissions.ts'
import type { Edit } from './edit.ts'
import { executionEdits } from './executions.ts'
import { scheduleEdits } from './schedules.ts'

export const edits: readonly Edit[] = [...executionEdits, ...admissionEdits, ...scheduleEdits]

/** The text with the edit in it; throws when what it replaces is not there exactly once. */
export function applyEdit({ name, file, find, replace }: Edit, text: string): string {
  const [before, after, ...more] = text.split(find)
  if (before === undefined || after === undefined || more.length > 0)
    throw new Error(`"${name}" replaces what stands in ${file} ${text.split(find).length - 1} times`)
  return before + replace + after
}
