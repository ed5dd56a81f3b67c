import { type Configuration, plain } from './configuration.ts'

/** What a search may have in it: what makes it so, and whether a configuration has it. */
interface Feature {
  readonly patch: Partial<Configuration>
  readonly isIn: (config: Configuration) => boolean
}

const twoTimes = { fireTimes: [10, 20], moments: [0, 10, 40] } as const
const threeUpdates = { operations: { count: 3, kinds: ['update'] }, changesLimit: 2, floorLimit: 2 } as const
const mishap = (kind: Configuration['faults']['kinds'][number]): Feature => ({
  patch: { executors: 2, faults: { count: 1, kinds: [kind] } },
  isIn: ({ faults }) => faults.count > 0 && faults.kinds.includes(kind),
})

const features = {
  '2 schedulers': { patch: { schedulers: 2 }, isIn: ({ schedulers }) => schedulers === 2 },
  '2 executors': { patch: { executors: 2 }, isIn: ({ executors }) => executors === 2 },
  '2 operations': {
    patch: { operations: { count: 2, kinds: ['update', 'pause', 'resume', 'cancel'] } },
    isIn: ({ operations }) => operations.count >= 2,
  },
  '2 fire times': { patch: twoTimes, isIn: ({ fireTimes }) => fireTimes.length === 2 },
  trigger: { patch: { triggers: 1 }, isIn: ({ triggers }) => triggers > 0 },
  crash: mishap('crash'),
  'lost answer': mishap('claim-lost'),
  'lost lease': mishap('lapse'),
  interruption: mishap('stop'),
  'overlap skip': {
    patch: { ...twoTimes, overlap: { policy: 'skip', limit: 1 } },
    isIn: ({ overlap }) => overlap.policy === 'skip',
  },
  'overlap queue': {
    patch: { ...twoTimes, overlap: { policy: 'queue', limit: 1 } },
    isIn: ({ overlap }) => overlap.policy === 'queue',
  },
  'failure and retry': { patch: { failures: 1 }, isIn: ({ failures, maxRetries }) => failures > 0 && maxRetries > 0 },
  'joined floors': { patch: threeUpdates, isIn: ({ floorLimit, operations }) => floorLimit < operations.count },
  'trimmed changes': { patch: threeUpdates, isIn: ({ changesLimit, operations }) => changesLimit <= operations.count },
  'misfire run-once': {
    patch: { ...twoTimes, misfireAfterMs: 15 },
    isIn: ({ misfireAfterMs, moments }) => misfireAfterMs < (moments.at(-1) ?? 0),
  },
  'recorded starts': {
    patch: { onLostLease: 'fail', shows: true },
    isIn: ({ onLostLease, shows }) => onLostLease === 'fail' || shows,
  },
} as const satisfies Record<string, Feature>

type FeatureName = keyof typeof features
const names = Object.keys(features) as FeatureName[]
export type Pair = readonly [FeatureName, FeatureName]

/** Those in which it does not matter what a run is made of. */
const ofSchedules: readonly FeatureName[] = [
  '2 schedulers',
  '2 operations',
  '2 fire times',
  'trigger',
  'joined floors',
  'trimmed changes',
  'misfire run-once',
]
const mishaps: readonly FeatureName[] = ['crash', 'lost answer', 'lost lease', 'interruption']

/** Every pair of features; a job has only one overlap policy. */
export const pairs: readonly Pair[] = names
  .flatMap((one, index) => names.slice(index + 1).map((other): Pair => [one, other]))
  .filter((pair) => !(pair.includes('overlap skip') && pair.includes('overlap queue')))

export const featuresOf = (config: Configuration): readonly string[] =>
  names.filter((name) => features[name].isIn(config))

export const nameOfPair = (pair: Pair): string => pair.join(' and ')

/** Two mishaps come together only where two may happen. */
export function hasPair(config: Configuration, pair: Pair): boolean {
  const needed = pair.filter((one) => mishaps.includes(one)).length
  return config.faults.count >= needed && pair.every((one) => features[one].isIn(config))
}

/** The smallest configuration that has both. */
function configurationOf(pair: Pair): Configuration {
  const [one, other] = pair.map((name): Partial<Configuration> => features[name].patch)
  const merged = { ...plain, ...one, ...other }
  const kinds = [...new Set([...(one?.faults?.kinds ?? []), ...(other?.faults?.kinds ?? [])])]
  const count = Math.max(one?.operations?.count ?? 0, other?.operations?.count ?? 0)
  // Beside two fire times that do not overlap, two operations of all kinds at three moments have too many states, and three too.
  const isLarge = count >= 2 && merged.overlap.policy !== 'allow'
  return {
    ...merged,
    name: nameOfPair(pair),
    about: 'these two alone',
    faults: { count: kinds.length, kinds },
    operations: { ...merged.operations, count, ...(isLarge && { kinds: ['update'] }) },
    ...(isLarge && { moments: [0, 40] }),
    hasWholeRuns: pair.every((name) => ofSchedules.includes(name)),
  }
}

/** The pairs that none of these configurations has, as configurations of their own. */
export function missingPairs(configs: readonly Configuration[]): readonly Configuration[] {
  const all = [...configs]
  const added: Configuration[] = []
  for (const pair of pairs) {
    if (all.some((config) => hasPair(config, pair))) continue
    const config = configurationOf(pair)
    all.push(config)
    added.push(config)
  }
  return added
}
