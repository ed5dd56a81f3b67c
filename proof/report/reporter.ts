import { relative, resolve } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'
import { type Finding, type LayerName, recordResult, resultFileKey } from './result.ts'

/** Lines of an error that a finding keeps. */
const errorLines = 40

const root = resolve(import.meta.dirname, '../..')

/** The layer of a test file, by its path in `proof` or the first folder of it. */
const layers: Readonly<Record<string, LayerName>> = {
  'crash/mongo-steps.test.ts': 'crash-fleet',
  crash: 'crash',
  operations: 'operations',
  security: 'security',
  fuzz: 'fuzz',
  chaos: 'scenarios',
  simulation: 'simulation',
}

function findingOf(layer: LayerName, test: TestCase): Finding {
  const { errors = [] } = test.result()
  const lines = errors.flatMap(({ message, stack }) => [message, ...(stack ?? '').split('\n')])
  const name = test.fullName.replaceAll(' > ', ' ')
  return {
    rule: 'test',
    subject: name,
    text: lines[0] ?? 'it failed',
    again: `npm run proof:${layer} -- -t ${JSON.stringify(name)}`,
    timeline: lines.slice(1, errorLines),
  }
}

function record(layer: LayerName, modules: readonly TestModule[]): void {
  const tests = modules.flatMap((module) => [...module.children.allTests()])
  const ofState = (state: string) => tests.filter((test) => test.result().state === state)
  const broken = modules.flatMap((module) => module.errors().map(({ message }) => ({ module, message })))
  const skipped = ofState('skipped').length
  recordResult({
    layer,
    tried: { tests: tests.length - skipped },
    ...(skipped > 0 && { seen: { 'tests skipped': skipped } }),
    found: [
      ...ofState('failed').map((test) => findingOf(layer, test)),
      ...broken.map(({ module, message }) => ({
        rule: 'test',
        subject: relative(root, module.moduleId),
        text: message,
        again: `npm run proof:${layer}`,
      })),
    ],
  })
}

/** Counts the tests of each layer, and reports those that fail, to the file that `npm run proof` names; a line for each shows the progress. */
export default class ResultReporter implements Reporter {
  #ended = 0

  onTestCaseResult({ fullName }: TestCase): void {
    this.#ended++
    if (process.env[resultFileKey]) console.log(`${this.#ended} tests, the last: ${fullName}`)
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    if (!process.env[resultFileKey]) return
    const byLayer = Map.groupBy(modules, ({ moduleId }) => {
      const path = relative(resolve(root, 'proof'), moduleId)
      return layers[path] ?? layers[path.split('/')[0] ?? '']
    })
    for (const [layer, some] of byLayer) if (layer) record(layer, some)
  }
}
