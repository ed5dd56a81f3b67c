import { appendFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createClient } from '@belfry/client'
import { type BelfryProcess, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { type Caller, signUp } from '../../proof/caller.ts'
import { describeMachine, warningOf } from '../figures/machine.ts'
import { judge, type Tolerance } from './flat.ts'
import { type Mix, openMix, runClosed, runEven } from './load.ts'
import { createSampler, loopFile, type Sample } from './sample.ts'

const dayMs = 86_400_000
/** The least that Belfry stores executions for. */
const retentionMs = 7 * dayMs
/** The share of the measured throughput at which the soak runs, and at which the data of the week before is made. */
const [soakShare, fillShare] = [0.5, 0.9]
/** From one sample to the next, seconds. */
const sampleEverySeconds = 10
/** Crons on every second: a load of their own, and the runs whose lateness is read. */
const cronCount = 50
const callers = 256
/** How long a start may take, milliseconds. */
const deadlineMs = 120_000

/** All that is stored for some time is stored for a week, so that a week later as much goes as comes. */
const env = {
  BELFRY_RETENTION_EXECUTIONS: '7d',
  BELFRY_RETENTION_LOGS: '7d',
  BELFRY_RETENTION_AUDIT: '7d',
  BELFRY_JOB_REQUEST_KEEP_MS: String(retentionMs),
  BELFRY_RETENTION_COPY_MARGIN_MS: '60000',
  // Every five seconds instead of ten minutes: half an hour has as many turns as some days have.
  BELFRY_EXECUTOR_PURGE_MS: '5000',
  BELFRY_JOB_PURGE_MS: '5000',
  BELFRY_SCHEDULER_PURGE_MS: '5000',
  BELFRY_AUDIT_PURGE_MS: '5000',
}

interface Options {
  readonly minutes: number
  /** How long the throughput is measured, seconds. */
  readonly measure: number
  /** Calls a second; 0: half the measured throughput. */
  readonly rate: number
  readonly json: string
}

function readOptions(args: readonly string[]): Options {
  const text = (value: string) => ({ type: 'string', default: value }) as const
  const { values } = parseArgs({
    args: [...args],
    options: { minutes: text('30'), measure: text('30'), rate: text('0'), json: text('soak.jsonl') },
  })
  const number = (name: 'minutes' | 'measure' | 'rate') => {
    const value = Number(values[name])
    if (!Number.isFinite(value) || value < 0) throw new Error(`--${name} takes a number from 0 on`)
    return value
  }
  return { minutes: number('minutes'), measure: number('measure'), rate: number('rate'), json: values.json }
}

const names = { user: 'soak-user', prober: 'soak-prober' }
const password = 'correct horse battery'

/** A client that logs in again by itself: a soak lasts longer than a token. */
const openUser = (url: string) =>
  createClient({ url, login: { username: names.user, password }, retry: { maxRetries: 20 } })

/** A mix of calls of a user that exists. */
async function loadOf(belfry: BelfryProcess, now: () => number): Promise<Mix> {
  await signUp(belfry.url, names.user)
  return openMix(openUser(belfry.url), now)
}

/** Calls a second that a Belfry answers with nothing else to do. */
async function measureThroughput(seconds: number): Promise<number> {
  const folder = await makeDataDir()
  const belfry = await startBelfry(folder.path, { deadlineMs })
  try {
    const mix = await loadOf(belfry, Date.now)
    await runClosed(mix, callers, Math.min(5, seconds))
    const rate = await runClosed(mix, callers, seconds)
    if (mix.count.failed > 0) throw new Error(`${mix.count.failed} calls failed: ${mix.count.firstFailure}`)
    return rate
  } finally {
    await belfry.stop()
    await folder.remove()
  }
}

/**
 * Makes the data of a week ago: the same load, at a clock that is a week slow and runs as much faster as the load is denser. At
 * the soak, each of its records reaches the retention when one of the same kind is made.
 */
async function fill(folder: string, rate: number, minutes: number): Promise<void> {
  const speed = fillShare / soakShare
  const seconds = (minutes * 60) / speed
  const start = Math.floor(Date.now() + (seconds + 15) * 1000 - retentionMs)
  const clock = {
    NODE_OPTIONS: `--import=${new URL('./shifted-clock.ts', import.meta.url)}`,
    BENCH_CLOCK_START: String(start),
    BENCH_CLOCK_SPEED: String(speed),
  }
  const belfry = await startBelfry(folder, { env: { ...env, ...clock }, deadlineMs })
  const begunAt = Date.now()
  try {
    const now = () => start + (Date.now() - begunAt) * speed + 1_000
    const mix = await loadOf(belfry, now)
    await makeCrons(await signUp(belfry.url, names.prober))
    await runEven(mix, rate * fillShare, seconds, () => false)
    const { done, failed, firstFailure, leftOut } = mix.count
    console.log(`data of a week ago: ${done} calls in ${Math.round(seconds)} s, ${failed} failed, ${leftOut} left out`)
    if (failed > 0) console.log(`  the first failure: ${firstFailure}`)
    // One-shots that are due within four seconds run.
    await wait(6_000)
  } finally {
    await belfry.stop()
  }
}

/** Crons on every second; they go on in the soak. */
async function makeCrons(user: Caller): Promise<void> {
  const body = { jobType: 'DUMMY', params: { durationMs: 0 }, schedule: '* * * * * *' }
  for (let made = 0; made < cronCount; made++) {
    const { status } = await user.call('POST', '/jobs', body)
    if (status !== 201) throw new Error(`create: ${status}`)
  }
}

interface Series {
  readonly name: string
  readonly unit: string
  readonly of: (sample: Sample) => number
  readonly tolerance: Tolerance
}

/** What must be flat, and what counts as flat; bench/README.md gives the reasons. */
const series: readonly Series[] = [
  { name: 'resident size', unit: 'MiB', of: (one) => one.rss, tolerance: { share: 0.05, least: 16 } },
  { name: 'heap', unit: 'MiB', of: (one) => one.heap, tolerance: { share: 0.1, least: 16 } },
  { name: 'database files', unit: 'MiB', of: (one) => one.db, tolerance: { share: 0.02, least: 4 } },
  { name: 'their logs', unit: 'MiB', of: (one) => one.wal, tolerance: { share: 0.1, least: 16 } },
  { name: 'lateness p50', unit: 'ms', of: (one) => one.lateP50, tolerance: { share: 0.1, least: 1 } },
  { name: 'lateness p99', unit: 'ms', of: (one) => one.lateP99, tolerance: { share: 0.25, least: 2 } },
  { name: 'loop delay p99', unit: 'ms', of: (one) => one.loopDelayP99, tolerance: { share: 0.25, least: 2 } },
  { name: 'descriptors', unit: '', of: (one) => one.descriptors, tolerance: { share: 0.1, least: 4 } },
  { name: 'handles', unit: '', of: (one) => one.handles, tolerance: { share: 0.1, least: 4 } },
]

const columns: readonly (readonly [string, (one: Sample) => string])[] = [
  ['minute', ({ at }) => (at / 60).toFixed(1)],
  ['rss', ({ rss }) => rss.toFixed(0)],
  ['heap', ({ heap }) => heap.toFixed(0)],
  ['db', ({ db }) => db.toFixed(0)],
  ['wal', ({ wal }) => wal.toFixed(0)],
  ['p50', ({ lateP50 }) => lateP50.toFixed(0)],
  ['p99', ({ lateP99 }) => lateP99.toFixed(0)],
  ['loop p99', ({ loopDelayP99 }) => loopDelayP99.toFixed(1)],
  ['busy', ({ loopBusy }) => loopBusy.toFixed(2)],
  ['fds', ({ descriptors }) => String(descriptors)],
  ['handles', ({ handles }) => String(handles)],
  ['relay', ({ relayPending }) => String(relayPending)],
]
const line = (cells: readonly string[]) => console.log(cells.map((cell) => cell.padStart(9)).join(''))

/** Whether a sample is the first one of a minute. */
const isMinute = ({ at }: Sample) => Math.floor(at / 60) !== Math.floor((at - sampleEverySeconds) / 60)

async function takeSamples(
  belfry: BelfryProcess,
  prober: () => Caller,
  minutes: number,
  record: (value: unknown) => Promise<void>,
): Promise<Sample[]> {
  const beganAt = performance.now()
  const sample = createSampler(belfry, prober, beganAt)
  const samples: Sample[] = []
  line(columns.map(([name]) => name))
  for (let nth = 1; nth * sampleEverySeconds <= minutes * 60; nth++) {
    await wait(Math.max(0, beganAt + nth * sampleEverySeconds * 1000 - performance.now()))
    const one = await sample()
    samples.push(one)
    await record({ sample: one })
    if (isMinute(one)) line(columns.map(([, text]) => text(one)))
  }
  return samples
}

const loopDelayEnv = (folder: string) => ({
  NODE_OPTIONS: `--import=${new URL('./loop-delay.ts', import.meta.url)}`,
  BENCH_LOOP_FILE: loopFile(folder),
})

/** What each series did. */
function verdict(samples: readonly Sample[]) {
  return series.map(({ name, unit, of, tolerance }) => {
    const points = samples.map((one) => ({ at: one.at, value: of(one) })).filter(({ value }) => !Number.isNaN(value))
    return { name, unit, ...judge(points, tolerance) }
  })
}

async function soakOn(folder: string, rate: number, options: Options): Promise<boolean> {
  const record = (value: unknown) => appendFile(options.json, `${JSON.stringify(value)}\n`)
  const belfry = await startBelfry(folder, {
    env: { ...env, ...loopDelayEnv(folder), BELFRY_RETENTION_TRUST_CLOCK: 'true' },
    deadlineMs,
  })
  try {
    const mix = await loadOf(belfry, Date.now)
    let prober = await signUp(belfry.url, names.prober)
    // A token lasts 15 minutes.
    const renewing = setInterval(() => void signUp(belfry.url, names.prober).then((user) => (prober = user)), 300_000)
    let isStopped = false
    const loading = runEven(mix, rate, options.minutes * 60 + 60, () => isStopped)
    const samples = await takeSamples(belfry, () => prober, options.minutes, record).finally(() => {
      isStopped = true
      clearInterval(renewing)
    })
    await loading
    const { done, failed, firstFailure, leftOut } = mix.count
    const seconds = options.minutes * 60
    console.log(
      `\n${done} calls, ${(done / seconds).toFixed(0)}/s; ${failed} failed, ${leftOut} left out ${firstFailure}`,
    )
    const seen = samples.reduce((sum, { crons }) => sum + crons, 0)
    console.log(`${seen} runs of crons were read, of ${cronCount * seconds}`)
    const judged = verdict(samples)
    for (const { name, unit, middle, growth, allowed, isFlat } of judged)
      console.log(
        `${isFlat ? 'flat    ' : 'NOT FLAT'} ${name}: ${middle.toFixed(1)} ${unit}, grows by ${growth.toFixed(1)} in the last two thirds, allowed ${allowed.toFixed(1)}`,
      )
    console.log(JSON.stringify(samples.at(-1)?.files))
    await record({ soak: options, rate, calls: mix.count, judged, machine: describeMachine() })
    return failed === 0 && judged.every(({ isFlat }) => isFlat)
  } finally {
    await belfry.stop()
  }
}

/** Runs a Belfry for long at half of what it can do, and judges what must not grow. Resolves to whether all was flat and no call failed. */
export async function soak(args: readonly string[]): Promise<boolean> {
  const options = readOptions(args)
  const warning = warningOf(describeMachine())
  if (warning !== '') console.log(warning)
  const throughput = options.rate > 0 ? options.rate / soakShare : await measureThroughput(options.measure)
  const rate = throughput * soakShare
  console.log(
    `throughput ${throughput.toFixed(0)} calls/s; the soak makes ${rate.toFixed(0)} and ${cronCount} crons a second`,
  )
  const folder = await makeDataDir()
  try {
    // A minute more at each end: the copies of job-service go a minute after the executions.
    await fill(folder.path, throughput, options.minutes + 2)
    const isFlat = await soakOn(folder.path, rate, options)
    if (warning !== '') console.log(warning)
    console.log(`JSON lines: ${options.json}`)
    return isFlat
  } finally {
    await folder.remove()
  }
}
