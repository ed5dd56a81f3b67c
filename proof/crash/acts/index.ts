import { accountActs } from './accounts.ts'
import { jobActs } from './jobs.ts'
import { otherActs } from './others.ts'
import { runActs } from './runs.ts'

/** All acts, by name. */
export const acts = { ...accountActs, ...jobActs, ...runActs, ...otherActs }
export type ActName = keyof typeof acts
