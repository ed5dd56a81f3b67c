import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { recordResult } from '../report/result.ts'
import { searches } from './configurations.ts'
import { featuresOf, pairs } from './coverage.ts'
import { mutants } from './mutants/index.ts'
import type { Task, TaskResult } from './tasks.ts'

const { values } = parseArgs({
  options: {
    /** Also the searches that take minutes each. */
    full: { type: 'boolean', default: false },
    /** Only this configuration, or this mutant; its path is printed. */
    configuration: { type: 'string' },
    mutant: { type: 'string' },
    /** States after which a search is given up. */
    states: { type: 'string', default: '6000000' },
    workers: { type: 'string', default: String(Math.min(4, availableParallelism())) },
    /** Appends a result for each search to this file (proof/README.md). */
    json: { type: 'string' },
  },
})

function tasksOf(): Task[] {
  const mostStates = Number(values.states)
  const { configuration, mutant } = values
  if (configuration) return [{ kind: 'configuration', name: configuration, mostStates }]
  if (mutant) return [{ kind: 'mutant', name: mutant, mostStates }]
  const chosen = searches.filter(({ isLong }) => values.full || !isLong)
  return [
    ...chosen.map(({ name }): Task => ({ kind: 'configuration', name, mostStates })),
    ...mutants.map(({ name }): Task => ({ kind: 'mutant', name, mostStates })),
  ]
}

const count = (number: number) => number.toLocaleString('en').padStart(10)

/** What a configuration has in it, and how often. */
function boundsOf(name: string): string {
  const config = searches.find((one) => one.name === name)
  if (!config) return ''
  const { moments, operations, faults } = config
  const changes = operations.count > 0 ? [`${operations.count} x ${operations.kinds.join('|')}`] : []
  const mishaps = faults.count > 0 ? [`${faults.count} x ${faults.kinds.join('|')}`] : []
  const parts = [`clock ${moments.join(' ')}`, ...featuresOf(config), ...changes, ...mishaps]
  return parts.join(', ')
}

const againOf = ({ kind, name }: Task) => `npm run proof:model -- --${kind} "${name}"`

function print(result: TaskResult): void {
  const { task, states, transitions, depth, ms, rule, steps, isAsExpected, isExhausted, timeline } = result
  const numbers = `${count(states)} states ${count(transitions)} steps  depth ${String(depth).padStart(2)}  ${(ms / 1000).toFixed(1).padStart(6)} s`
  const found = rule === null ? (isExhausted ? 'all states hold' : 'given up') : `${steps} steps to ${rule}`
  const verdict = task.kind === 'mutant' && isAsExpected ? 'killed: ' : isAsExpected ? '' : 'WRONG: '
  console.log(`${task.kind === 'mutant' ? 'mutant ' : ''}${task.name.padEnd(40)} ${numbers}  ${verdict}${found}`)
  if (task.kind === 'configuration') console.log(`    ${boundsOf(task.name)}`)
  const isAlone = values.configuration !== undefined || values.mutant !== undefined
  if ((rule !== null && task.kind === 'configuration') || isAlone) {
    for (const line of timeline) console.log(line)
    console.log(`again: ${againOf(task)}`)
  }
  record(result)
}

/** A search that is wrong is a finding: a rule is broken, a mutant lives, or the search was given up. */
function record(result: TaskResult): void {
  const { task, about, states, transitions, depth, ms, rule, steps, isAsExpected, timeline } = result
  const bounds = task.kind === 'configuration' ? boundsOf(task.name) : about
  const seconds = Math.round(ms / 100) / 10
  const text = rule ?? (task.kind === 'mutant' ? 'the mutant breaks nothing' : `given up after ${states} states`)
  recordResult(
    {
      layer: 'model',
      tried: { [task.kind === 'mutant' ? 'mutants' : 'configurations']: 1, states, steps: transitions },
      parts: [
        {
          name: `${task.kind} ${task.name}`,
          isAsExpected,
          figures: {
            states,
            steps: transitions,
            depth,
            seconds,
            ...(rule !== null && { 'steps to the violation': steps }),
          },
          note: task.kind === 'mutant' && rule !== null ? `${bounds}: ${rule}` : bounds,
        },
      ],
      found: isAsExpected
        ? []
        : [{ rule: rule?.split(':')[0] ?? 'search', subject: task.name, text, again: againOf(task), timeline }],
    },
    values.json,
  )
}

/** Each worker takes the next task when it is done with one; the results are printed as they come. */
async function runAll(tasks: readonly Task[]): Promise<TaskResult[]> {
  const left = [...tasks]
  const results: TaskResult[] = []
  const workers = Array.from({ length: Math.min(Number(values.workers), tasks.length) }, async () => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url))
    for (let task = left.shift(); task !== undefined; task = left.shift()) {
      worker.postMessage(task)
      // Rejects when the worker fails.
      const [result] = (await once(worker, 'message')) as [TaskResult]
      results.push(result)
      print(result)
    }
    await worker.terminate()
  })
  await Promise.all(workers)
  return results
}

const begunAt = performance.now()
const results = await runAll(tasksOf())
const ofKind = (kind: Task['kind']) => results.filter(({ task }) => task.kind === kind)
const sum = (pick: (one: TaskResult) => number) => results.reduce((total, one) => total + pick(one), 0)
const wrong = results.filter(({ isAsExpected }) => !isAsExpected)
const killed = ofKind('mutant').filter(({ isAsExpected }) => isAsExpected)
const summary = {
  proof: 'model',
  configurations: ofKind('configuration').length,
  pairs: pairs.length,
  states: sum(({ states }) => states),
  transitions: sum(({ transitions }) => transitions),
  mutants: ofKind('mutant').length,
  killed: killed.length,
  wrong: wrong.map(({ task }) => task.name),
  seconds: Math.round((performance.now() - begunAt) / 1000),
}
console.log(JSON.stringify(summary))
process.exitCode = wrong.length === 0 ? 0 : 1
