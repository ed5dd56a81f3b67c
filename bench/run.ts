import { parseArgs } from 'node:util'
import { burst } from './burst.ts'
import { client } from './client.ts'
import { crons } from './crons.ts'
import { distributedBurst } from './distributed-burst.ts'
import { distributedLateness } from './distributed-lateness.ts'
import { distributedTriggers } from './distributed-triggers.ts'
import { g1, g2 } from './gateway.ts'
import { handlers } from './handlers.ts'
import { idle } from './idle.ts'
import { intake } from './intake.ts'
import { lateness } from './lateness.ts'
import { neighbour } from './neighbour.ts'
import { path } from './path.ts'
import { ready } from './ready.ts'
import { type Benchmark, printFigures } from './report.ts'
import { rolling } from './rolling.ts'
import { takeover } from './takeover.ts'
import { p3, p5, p6 } from './throughput.ts'
import { triggers } from './triggers.ts'

const benchmarks: Record<string, Benchmark> = {
  lateness,
  handlers,
  crons,
  triggers,
  burst,
  idle,
  intake,
  client,
  neighbour,
  g1,
  g2,
  p3,
  p5,
  p6,
  ready,
  path,
  // Distributed: they need the servers of BELFRY_TEST_*.
  'distributed-lateness': distributedLateness,
  'distributed-triggers': distributedTriggers,
  'distributed-burst': distributedBurst,
  takeover,
  rolling,
}

function printList(): void {
  console.log('npm run bench -- NAME [--option number]\n')
  for (const [name, { title, defaults, flags }] of Object.entries(benchmarks)) {
    const options = Object.entries(defaults).map(([key, value]) =>
      flags?.includes(key) ? `--${key}` : `--${key} ${value}`,
    )
    console.log(`${name.padEnd(21)} ${title}${options.length > 0 ? `  [${options.join(' ')}]` : ''}`)
  }
}

function readOptions({ defaults, flags }: Benchmark, args: string[]): Record<string, number> {
  const typeOf = (key: string) => (flags?.includes(key) ? ('boolean' as const) : ('string' as const))
  const options = Object.fromEntries(Object.keys(defaults).map((key) => [key, { type: typeOf(key) }]))
  const { values } = parseArgs({ args, options })
  const given = Object.entries(values).map(([key, text]) => {
    const value = Number(text)
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${key} takes a number from 0 on, not "${text}"`)
    return [key, value] as const
  })
  return { ...defaults, ...Object.fromEntries(given) }
}

const [name, ...args] = process.argv.slice(2)
const benchmark = name ? benchmarks[name] : undefined
if (!name) printList()
else if (!benchmark) {
  console.error(`There is no benchmark "${name}". There are: ${Object.keys(benchmarks).join(', ')}.`)
  process.exitCode = 2
} else {
  const options = readOptions(benchmark, args)
  printFigures(name, options, await benchmark.run(options))
}
