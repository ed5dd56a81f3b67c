import { absenceOf, loggedOf } from './absent.ts'
import type { WhyAnswer, WhyFacts } from './facts.ts'
import { aroundOf, latenessOf, outcomeOf } from './ran.ts'

/**
 * Says what happened at a fire time or to an execution, and why: the first answer is the outcome, the others the steps to it. Each one
 * names its evidence.
 */
export function explain(facts: WhyFacts): WhyAnswer[] {
  const { execution, range } = facts
  if (execution) return [outcomeOf(facts, execution), ...latenessOf(facts, execution), ...aroundOf(execution)]
  return range ? [loggedOf(facts, range)] : absenceOf(facts)
}
