import { type Configuration, plain } from './configuration.ts'
import { searches } from './configurations.ts'
import { createModel } from './model.ts'
import { mutants } from './mutants/index.ts'
import { realRules } from './rules.ts'
import { type SearchResult, search } from './search/search.ts'
import { timelineOf } from './timeline.ts'
import type { World } from './world.ts'

/** One search: of a configuration by the real rules, or by those of a mutant. */
export interface Task {
  readonly kind: 'configuration' | 'mutant'
  readonly name: string
  /** States after which it is given up. */
  readonly mostStates: number
}

export interface TaskResult extends Omit<SearchResult<World>, 'violation'> {
  readonly task: Task
  readonly about: string
  readonly rule: string | null
  /** The shortest way to the violation: number of steps, and lines for people. */
  readonly steps: number
  readonly timeline: readonly string[]
  /** A mutant that is found out by an invariant that it breaks; a configuration that holds in all of its states. */
  readonly isAsExpected: boolean
}

/** Does one search. The same task gives the same answer. */
export function runTask(task: Task): TaskResult {
  const mutant = task.kind === 'mutant' ? mutants.find(({ name }) => name === task.name) : undefined
  const known = searches.find(({ name }) => name === task.name)
  const config: Configuration | undefined = mutant ? { ...plain, ...mutant.search, name: mutant.name } : known
  if (!config) throw new Error(`there is no ${task.kind} of the name "${task.name}"`)
  const rules = mutant ? { ...realRules, ...mutant.mutate(realRules) } : realRules
  const { violation, ...result } = search(createModel(config, rules), { mostStates: task.mostStates, isLiveness: true })
  const rule = violation?.rule ?? null
  const isKilled = rule !== null && (mutant?.breaks.some((one) => rule.startsWith(`${one}:`)) ?? false)
  return {
    ...result,
    task,
    about: mutant?.about ?? config.about,
    rule,
    steps: violation ? violation.path.length - 1 : 0,
    timeline: violation ? timelineOf(violation) : [],
    isAsExpected: mutant ? isKilled : rule === null && result.isExhausted,
  }
}
