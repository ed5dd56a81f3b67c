import * as accounts from './accounts.ts'
import type { Act } from './act.ts'
import * as jobs from './jobs.ts'
import * as others from './others.ts'
import * as runs from './runs.ts'

const { mustBeIntact: _, ...ofAccounts } = accounts

/** All acts, by name. */
export const acts = { ...ofAccounts, ...jobs, ...runs, ...others } satisfies Record<string, Act>
export type ActName = keyof typeof acts
