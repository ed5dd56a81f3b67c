/** One benchmark of the table, with the options of a full and of a quick run. */
export interface Step {
  /** The figure of the table that it measures. */
  readonly figure: string
  readonly benchmark: string
  readonly full: Readonly<Record<string, number>>
  /** A run of seconds, which shows that the command works; its numbers say nothing. */
  readonly quick: Readonly<Record<string, number>>
  /** Needs Kafka, MongoDB and Consul (BELFRY_TEST_*). */
  readonly isDistributed?: true
}

/** The steps in the order of the table. P3's lateness beside 1,000,000 jobs takes minutes, so it is asked for (`--full`). */
export const steps: readonly Step[] = [
  {
    figure: 'P1',
    benchmark: 'lateness',
    full: { n: 2_000, seconds: 20, calls: 200, targets: 0 },
    quick: { n: 200, seconds: 3, calls: 200, targets: 0 },
  },
  {
    figure: 'P2',
    benchmark: 'distributed-lateness',
    full: { n: 2_000, seconds: 20 },
    quick: { n: 100, seconds: 3 },
    isDistributed: true,
  },
  {
    figure: 'P3',
    benchmark: 'p3',
    full: { n: 200_000, batch: 1_000, callers: 8 },
    quick: { n: 10_000, batch: 1_000, callers: 8 },
  },
  {
    figure: 'P3',
    benchmark: 'stored',
    full: { n: 2_000, seconds: 20, jobs: 200_000 },
    quick: { n: 200, seconds: 3, jobs: 10_000 },
  },
  { figure: 'P4', benchmark: 'crons', full: { n: 200, seconds: 30 }, quick: { n: 50, seconds: 3 } },
  {
    figure: 'P5',
    benchmark: 'p5',
    full: { n: 200_000, batch: 1_000, callers: 8 },
    quick: { n: 10_000, batch: 1_000, callers: 8 },
  },
  {
    figure: 'P6',
    benchmark: 'p6',
    full: { n: 100_000, batched: 200_000, single: 40_000 },
    quick: { n: 5_000, batched: 10_000, single: 2_000 },
  },
  { figure: 'P7', benchmark: 'takeover', full: { n: 50, rounds: 1 }, quick: { n: 10, rounds: 1 }, isDistributed: true },
  { figure: 'P8', benchmark: 'idle', full: { n: 10_000, seconds: 30 }, quick: { n: 1_000, seconds: 5 } },
  { figure: 'G1', benchmark: 'g1', full: { n: 6_000, rounds: 4 }, quick: { n: 1_000, rounds: 1 } },
  { figure: 'G2', benchmark: 'g2', full: { n: 3_000, rounds: 4 }, quick: { n: 400, rounds: 1 } },
]

/** The figures of the table, each once. */
export const figureNames: readonly string[] = [...new Set(steps.map(({ figure }) => figure))]

/** What `--full` adds to the options of a benchmark. */
export const fullOptions: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  stored: { more: 1_000_000 },
}

/** One way to set a peer up; each is measured in a fresh process on a server with no data, and the best one counts. */
export interface Setting {
  readonly text: string
  readonly options: Readonly<Record<string, number>>
  /** Redis only: when its log reaches the disk. Default: `always`, before the answer. */
  readonly fsync?: 'always' | 'everysec'
}

/** One measurement of a peer. */
export interface PeerMeasurement {
  /** What the figures of Belfry name it by; its numbers follow behind a point. */
  readonly key: string
  /** The benchmark of Belfry that does the same work; the peer is measured right after it. */
  readonly beside: string
  readonly peer: 'bullmq' | 'pg-boss' | 'graphile-worker'
  /** The work, for the script of the peer that knows more than one. */
  readonly work?: string
  readonly server: 'redis' | 'postgres'
  readonly settings: readonly Setting[]
  readonly full: Readonly<Record<string, number>>
  readonly quick: Readonly<Record<string, number>>
  /** The number by which the best setting is chosen. */
  readonly best: { readonly value: string; readonly unit: string; readonly is: 'highest' | 'lowest' }
}

const rate = { value: 'rate', unit: '/s', is: 'highest' } as const

/** A measurement of jobs that BullMQ stores, with one connection and with several. */
function bullmqStores(key: string, full: Record<string, number>, quick: Record<string, number>): PeerMeasurement {
  const settings = [1, 4].map((connections) => ({
    text: connections === 1 ? '1 connection' : `${connections} connections`,
    options: { connections },
  }))
  return { key, beside: 'p6', peer: 'bullmq', work: 'enqueue', server: 'redis', settings, full, quick, best: rate }
}

/** What the peers do: the same work as Belfry in the same run. bench/README.md says why each setting is one to try. */
export const peerMeasurements: readonly PeerMeasurement[] = [
  {
    key: 'bullmq-lateness',
    beside: 'lateness',
    peer: 'bullmq',
    work: 'lateness',
    server: 'redis',
    settings: [
      { text: '1 worker, 64 at a time', options: { workers: 1, concurrency: 64 } },
      { text: '1 worker, 256 at a time', options: { workers: 1, concurrency: 256 } },
      { text: '4 workers, 16 at a time', options: { workers: 4, concurrency: 16 } },
      {
        text: '1 worker, 64 at a time, fsync each second',
        options: { workers: 1, concurrency: 64 },
        fsync: 'everysec',
      },
    ],
    full: { n: 2_000, seconds: 20 },
    quick: { n: 200, seconds: 3 },
    best: { value: 'p99', unit: 'ms', is: 'lowest' },
  },
  {
    key: 'pg-boss',
    beside: 'p3',
    peer: 'pg-boss',
    server: 'postgres',
    settings: [2, 4, 8].map((callers) => ({ text: `${callers} callers`, options: { callers } })),
    full: { n: 200_000, batch: 1_000 },
    quick: { n: 10_000, batch: 1_000 },
    best: { value: 'seconds', unit: 's', is: 'lowest' },
  },
  {
    key: 'graphile-worker',
    beside: 'p5',
    peer: 'graphile-worker',
    server: 'postgres',
    settings: [
      {
        text: '24 at a time, 500 in the local queue',
        options: { concurrency: 24, localQueue: 500, completeDelayMs: 0 },
      },
      {
        text: '200 at a time, 1,000 in the local queue',
        options: { concurrency: 200, localQueue: 1_000, completeDelayMs: 0 },
      },
      {
        text: '200 at a time, 1,000 in the local queue, ends written every 50 ms',
        options: { concurrency: 200, localQueue: 1_000, completeDelayMs: 50 },
      },
    ],
    full: { n: 200_000, batch: 1_000, callers: 4 },
    quick: { n: 10_000, batch: 1_000, callers: 4 },
    best: rate,
  },
  bullmqStores('bullmq-64', { n: 100_000, callers: 64, batch: 1 }, { n: 5_000, callers: 64, batch: 1 }),
  bullmqStores('bullmq-256', { n: 100_000, callers: 256, batch: 1 }, { n: 5_000, callers: 256, batch: 1 }),
  bullmqStores('bullmq-batches', { n: 200_000, callers: 8, batch: 1_000 }, { n: 10_000, callers: 8, batch: 1_000 }),
]
