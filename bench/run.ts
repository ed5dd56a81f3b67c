import { parseArgs } from 'node:util'
import { benchmarks } from './benchmarks.ts'
import { figures } from './figures/command.ts'
import { type Benchmark, printFigures } from './report.ts'
import { soak } from './soak/command.ts'

/** Commands that run many benchmarks, or one for long. Each resolves to whether every goal was met. */
const commands: Record<string, { readonly title: string; run(args: readonly string[]): Promise<boolean> }> = {
  figures: {
    title:
      'the table of figures  [--peers] [--only P1,G2] [--quick] [--full] [--all] [--verbose] [--profile] [--json FILE]',
    run: figures,
  },
  soak: {
    title:
      'half of the measured throughput for long: memory, files and lateness  [--minutes 30] [--rate 0] [--json FILE]',
    run: soak,
  },
}

function printList(): void {
  console.log('npm run bench -- NAME [--option number] [--profile]\n')
  for (const [name, { title }] of Object.entries(commands)) console.log(`${name.padEnd(21)} ${title}`)
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
  const { values } = parseArgs({ args, options: { profile: { type: 'boolean' }, ...options } })
  const given = Object.entries(values).map(([key, text]) => {
    const value = Number(text)
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${key} takes a number from 0 on, not "${text}"`)
    return [key, value] as const
  })
  const { profile, ...numbers } = Object.fromEntries(given)
  // The distributed ones have an option of this name; the standalone mode is profiled as a process.
  if ('profile' in defaults) return { ...defaults, ...Object.fromEntries(given) }
  if (profile) process.env.BENCH_PROFILE = '1'
  return { ...defaults, ...numbers }
}

const [name, ...args] = process.argv.slice(2)
const benchmark = name ? benchmarks[name] : undefined
const command = name ? commands[name] : undefined
if (!name) printList()
else if (command) await command.run(args)
else if (!benchmark) {
  console.error(`There is no benchmark "${name}". There are: ${Object.keys(benchmarks).join(', ')}.`)
  process.exitCode = 2
} else {
  const options = readOptions(benchmark, args)
  printFigures(name, options, await benchmark.run(options))
}
