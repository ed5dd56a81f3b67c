import { execFileSync } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/** What a package may import of ours, by the names of folders. `types`: only with `import type`. */
interface Law {
  values?: readonly string[]
  types?: readonly string[]
}
const libs = [
  'contracts',
  'time',
  'schedules',
  'service',
  'http',
  'bus',
  'discovery',
  'outbound',
  'storage',
  'audit',
  'worker',
  'shell',
  'client',
  'bootstrap',
]
const services = ['gateway', 'auth-service', 'job-service', 'scheduler-service', 'executor-service']
const lawOfService: Law = { values: libs }
const lawOfAdapter: Law = { values: ['service', 'contracts'] }
const laws: Record<string, Law> = {
  contracts: {},
  time: {},
  schedules: { values: ['contracts', 'service', 'time'] },
  service: { values: ['contracts'] },
  http: lawOfAdapter,
  bus: lawOfAdapter,
  discovery: lawOfAdapter,
  storage: lawOfAdapter,
  audit: { values: ['contracts', 'service', 'http', 'storage'] },
  outbound: lawOfAdapter,
  shell: { values: ['contracts', 'service', 'http', 'bus', 'discovery', 'storage'] },
  bootstrap: { values: ['contracts', 'service', 'http', 'bus', 'discovery', 'storage', 'shell'] },
  testkit: { values: ['contracts', 'service', 'http', 'bus', 'discovery'] },
  worker: { values: ['contracts'], types: ['service'] },
  client: { types: ['contracts'] },
  ...Object.fromEntries(services.map((service) => [service, lawOfService])),
  standalone: { values: [...libs, ...services] },
  cli: { values: ['client', 'contracts', 'time'] },
  console: { values: ['client'], types: ['contracts'] },
}

/** What the domain of a service may be written with: shapes, pure rules, hashes, and the ways in which a hop fails. */
const domainMayImport = [
  '@belfry/contracts',
  '@belfry/discovery',
  '@belfry/schedules',
  '@belfry/service',
  '@belfry/time',
  'ajv',
  're2js',
  'node:crypto',
  'zod',
]
/** What it does not even name in its types, because a record's rules would then depend on where it is kept or shown. */
const domainMayNotName = ['@belfry/bus', '@belfry/storage', 'fastify', 'node:sqlite']
/** What a handler is and how it says that it failed: a contract with those who write handlers, and as pure as the domain. */
const contractOfHandlers = join(root, 'libs/worker/src/handler.ts')
/** Time, ids, randomness and settings come in as arguments. */
const ambient =
  /\b(?:Date\.now|Math\.random|randomUUID|setTimeout|setInterval|performance\.now)\(|\bnew Date\(\)|\bprocess\./

interface Import {
  file: string
  specifier: string
  isType: boolean
}

const importPatterns = [
  /^\s*(?:import|export)\s+(type\s)?[^'";]*?\sfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s+()['"]([^'"]+)['"]/gm,
  /\bimport\(\s*()['"]([^'"]+)['"]/g,
]

function importsOf(file: string): Import[] {
  const source = readFileSync(file, 'utf8')
  return importPatterns.flatMap((pattern) =>
    [...source.matchAll(pattern)].map((match) => ({ file, specifier: match[2] ?? '', isType: Boolean(match[1]) })),
  )
}

const sourcesUnder = (folder: string) => globSync(join(folder, 'src/**/*.{ts,tsx,mts}'))
const show = ({ file, specifier }: Import) => `${relative(root, file)} imports ${specifier}`
const isRelative = ({ specifier }: Import) => specifier.startsWith('.')

const packages = globSync(['apps/*/package.json', 'libs/*/package.json'], { cwd: root }).map((path) => {
  const folder = join(root, dirname(path))
  const manifest = JSON.parse(readFileSync(join(root, path), 'utf8')) as { name: string; dependencies?: object }
  const declared = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@belfry/'))
  return {
    name: manifest.name,
    noun: basename(folder),
    folder,
    declared,
    imports: sourcesUnder(folder).flatMap(importsOf),
  }
})

/** The package of ours that an import names, by folder: `@belfry/time/cron.ts` is `time`. */
const oursIn = (specifier: string) => /^@belfry\/([^/]+)/.exec(specifier)?.[1]

function mayImport(noun: string, target: string, isType: boolean): boolean {
  const law = laws[noun]
  return law?.values?.includes(target) || (isType && law?.types?.includes(target)) || false
}

interface Graph {
  graph: { dependencies: Record<string, { target: string }[]> }
}

/** What Nx would build in which order. Without its daemon, which would outlive the test. */
function nxGraph(): Graph['graph']['dependencies'] {
  const folder = mkdtempSync(join(tmpdir(), 'belfry-graph-'))
  try {
    const file = join(folder, 'graph.json')
    const env = { ...process.env, NX_DAEMON: 'false', NX_TUI: 'false' }
    execFileSync(join(root, 'node_modules/.bin/nx'), ['graph', `--file=${file}`], { cwd: root, env, stdio: 'pipe' })
    return (JSON.parse(readFileSync(file, 'utf8')) as Graph).graph.dependencies
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('who may import whom', () => {
  it('is settled for every package, which is named after its folder', () => {
    expect(packages.length).toBeGreaterThan(0)
    expect(packages.filter(({ noun }) => !(noun in laws)).map(({ noun }) => noun)).toEqual([])
    expect(packages.filter(({ name, noun }) => name !== `@belfry/${noun}`)).toEqual([])
  })

  it('is what the Nx graph shows', { timeout: 60_000 }, () => {
    const edges = Object.entries(nxGraph()).flatMap(([from, targets]) =>
      targets.map(({ target }) => [oursIn(from), oursIn(target)] as const).filter(([, target]) => target),
    )
    expect(edges.length).toBeGreaterThan(packages.length)
    // Nx counts devDependencies too, and the tests of every service may use the test kit.
    const built = edges.filter(([, target]) => target !== 'testkit')
    expect(built.filter(([from, target]) => !mayImport(from ?? '', target ?? '', true))).toEqual([])
  })

  it.each(packages.map((one) => [one.noun, one] as const))('holds for what %s declares and imports', (noun, one) => {
    const targets = one.imports.filter(({ specifier }) => oursIn(specifier))
    const unlawful = targets.filter(({ specifier, isType }) => !mayImport(noun, oursIn(specifier) ?? '', isType))
    expect(unlawful.map(show)).toEqual([])
    expect(one.declared.filter((name) => !mayImport(noun, oursIn(name) ?? '', true))).toEqual([])
    const undeclared = targets.filter(({ specifier }) => !one.declared.includes(`@belfry/${oursIn(specifier)}`))
    expect(undeclared.map(show)).toEqual([])
  })

  it.each(packages.map((one) => [one.noun, one] as const))('no path leads out of the sources of %s', (_, one) => {
    const inside = join(one.folder, 'src/')
    const manifest = join(one.folder, 'package.json')
    const outside = one.imports.filter(isRelative).filter(({ file, specifier }) => {
      const target = resolve(dirname(file), specifier)
      return !target.startsWith(inside) && target !== manifest
    })
    expect(outside.map(show)).toEqual([])
  })
})

describe('the domain of a service', () => {
  const domains = packages
    .filter(({ noun }) => services.includes(noun))
    .map(({ folder }) => join(folder, 'src/domain/'))
  const files = domains.flatMap((folder) => globSync(join(folder, '**/*.ts')))

  it('exists', () => expect(files.length).toBeGreaterThan(0))

  const isLawful = (one: Import) => {
    const isIn = (names: string[]) => names.some((name) => `${one.specifier}/`.startsWith(`${name}/`))
    if (!isRelative(one)) return isIn(domainMayImport) || (one.isType && !isIn(domainMayNotName))
    const target = resolve(dirname(one.file), one.specifier)
    const own = domains.find((folder) => one.file.startsWith(folder)) ?? root
    return target.startsWith(own) || target === contractOfHandlers
  }

  it('imports itself, shapes and pure rules, and nothing that acts', () => {
    const unlawful = files.flatMap(importsOf).filter((one) => !isLawful(one))
    expect(unlawful.map(show)).toEqual([])
  })

  it('asks nobody for the time, for chance or for settings', () => {
    const asking = files.filter((file) => ambient.test(readFileSync(file, 'utf8')))
    expect(asking.map((file) => relative(root, file))).toEqual([])
  })
})

describe('the parts of executor-service', () => {
  const source = join(root, 'apps/executor-service/src/')
  const files = globSync(join(source, '**/*.ts'))
  const imports = files.flatMap(importsOf).filter(isRelative)
  const targetOf = ({ file, specifier }: Import) => relative(source, resolve(dirname(file), specifier))
  /** The folder, or the file where it stands in none. */
  const partOf = (path: string) => path.split('/')[0] ?? path

  /** What a part may use besides itself, `everyPart` included: calls lead downwards, changes come back through `changes.ts`. */
  const parts: Record<string, readonly string[] | 'all'> = {
    'index.ts': 'all',
    'main.ts': 'all',
    'service.ts': 'all',
    routes: 'all',
    intake: ['dispatch', 'executions'],
    membership: ['dispatch', 'executions'],
    dispatch: ['attempts', 'admission', 'executions'],
    attempts: ['executions', 'secrets'],
    admission: ['executions'],
    executions: [],
    retention: [],
    secrets: [],
    drain: [],
    'job-types': [],
    'metrics.ts': ['executions'],
    // The setting of the commands is checked by what runs them.
    'config.ts': ['job-types'],
    store: ['admission', 'executions'],
  }
  const everyPart = ['store', 'metrics.ts', 'config.ts']
  /** Of the store a part sees the ports; only the service that is built from the stores sees how they are opened. */
  const storeForParts = /^store\/ports(\/|\.ts$)/

  it('are all named in the law', () => {
    expect(
      [...new Set(files.map((file) => partOf(relative(source, file))))].filter((part) => !(part in parts)),
    ).toEqual([])
  })

  it('use the parts below them, and never the reverse', () => {
    const unlawful = imports.filter((one) => {
      const [from, target] = [partOf(relative(source, one.file)), targetOf(one)]
      const to = partOf(target)
      const allowed = parts[from] ?? []
      if (from === to || allowed === 'all') return false
      if (to === 'store') return !storeForParts.test(target)
      return !allowed.includes(to) && !everyPart.includes(to)
    })
    expect(unlawful.map(show)).toEqual([])
  })

  it('import each other in no circle, types included', () => {
    const targets = Map.groupBy(imports, ({ file }) => relative(source, file))
    const done = new Set<string>()
    const circles: string[] = []
    const visit = (file: string, way: readonly string[]) => {
      const begin = way.indexOf(file)
      if (begin >= 0) circles.push([...way.slice(begin), file].join(' -> '))
      if (begin >= 0 || done.has(file)) return
      for (const one of targets.get(file) ?? []) visit(targetOf(one), [...way, file])
      done.add(file)
    }
    for (const file of targets.keys()) visit(file, [])
    expect(circles).toEqual([])
  })

  /** Each part is made from parts that are made before it, and nothing is filled in later: a circle of objects needs either. */
  it('are wired from the bottom up', () => {
    const text = readFileSync(join(source, 'service.ts'), 'utf8')
    expect(text.match(/^\s*(let|var) /gm)).toBeNull()
    const body = /^function createParts\(.*?^}/ms.exec(text)?.[0] ?? ''
    const made = [...body.matchAll(/^ {2}const (?:(\w+)|\{([^}]*)\}) =/gm)].flatMap((match) =>
      (match[1] ?? match[2] ?? '').split(',').map((name) => ({ name: name.trim(), at: match.index })),
    )
    expect(made.length).toBeGreaterThan(15)
    const usedBefore = made.filter(({ name, at }) => new RegExp(`(?<![.\\w])${name}(?![\\w:])`).test(body.slice(0, at)))
    expect(usedBefore.map(({ name }) => name)).toEqual([])
  })

  it('have rules that import no part which acts, and take time, chance and settings as arguments', () => {
    const rules = [
      ...['execution', 'transitions', 'retry', 'outcome'].map((name) => `executions/${name}.ts`),
      'admission/admission.ts',
      ...['share', 'claim-lead'].map((name) => `dispatch/${name}.ts`),
      'intake/command.ts',
      'retention/rules.ts',
    ]
    const ofRules = rules.flatMap((rule) => importsOf(join(source, rule)))
    const unlawful = ofRules.filter((one) => {
      if (isRelative(one)) return !rules.includes(targetOf(one)) && !(one.isType && storeForParts.test(targetOf(one)))
      return ![...domainMayImport, '@belfry/worker'].includes(one.specifier)
    })
    expect(unlawful.map(show)).toEqual([])
    expect(rules.filter((rule) => ambient.test(readFileSync(join(source, rule), 'utf8')))).toEqual([])
  })
})
