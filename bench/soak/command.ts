import { appendFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type BelfryProcess, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { type Caller, signUp } from '../../proof/caller.ts'
import { describeMachine, warningOf } from '../figures/machine.ts'
import { fill } from './fill.ts'
import { type Mix, runEven } from './load.ts'
import { createSampler, loopDelayEnv, type Sample } from './sample.ts'
import { headerLine, judgeAll, judgementText, sampleLine } from './series.ts'
import { cronCount, deadlineMs, env, loadOf, makeCrons, measureThroughput, names, soakShare } from './system.ts'

/** From one sample to the next, seconds. */
const sampleEverySeconds = 10
/** A token lasts 15 minutes. */
const renewEveryMs = 300_000

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
  console.log(headerLine())
  for (let nth = 1; nth * sampleEverySeconds <= minutes * 60; nth++) {
    await wait(Math.max(0, beganAt + nth * sampleEverySeconds * 1000 - performance.now()))
    const one = await sample()
    samples.push(one)
    await record({ sample: one })
    if (isMinute(one)) console.log(sampleLine(one))
  }
  return samples
}

/** The owner of the crons, who logs in again before the token expires. */
async function openProber(url: string): Promise<{ readonly user: () => Caller; readonly close: () => void }> {
  let user = await signUp(url, names.prober)
  const renew = async () => {
    user = await signUp(url, names.prober)
  }
  // A login that fails is tried again at the next time.
  const timer = setInterval(() => void renew().catch(() => undefined), renewEveryMs)
  return { user: () => user, close: () => clearInterval(timer) }
}

/** Prints what came out; resolves to whether all is flat and no call failed. */
function report(samples: readonly Sample[], { count }: Mix, seconds: number) {
  const { done, failed, firstFailure, leftOut } = count
  const rate = (done / seconds).toFixed(0)
  console.log(`\n${done} calls, ${rate}/s; ${failed} failed, ${leftOut} left out ${firstFailure}`)
  const seen = samples.reduce((sum, { crons }) => sum + crons, 0)
  console.log(`${seen} runs of crons were read, of ${cronCount * seconds}`)
  const judged = judgeAll(samples)
  for (const one of judged) console.log(judgementText(one))
  console.log(JSON.stringify(samples.at(-1)?.files))
  return { judged, isGood: failed === 0 && judged.every(({ isFlat }) => isFlat) }
}

async function soakOn(folder: string, rate: number, options: Options): Promise<boolean> {
  const record = (value: unknown) => appendFile(options.json, `${JSON.stringify(value)}\n`)
  const belfry = await startBelfry(folder, {
    env: { ...env, ...loopDelayEnv(folder), BELFRY_RETENTION_TRUST_CLOCK: 'true' },
    deadlineMs,
  })
  try {
    const mix = await loadOf(belfry, Date.now)
    const prober = await openProber(belfry.url)
    await makeCrons(prober.user())
    let isStopped = false
    const loading = runEven(mix, rate, options.minutes * 60 + 60, () => isStopped)
    const samples = await takeSamples(belfry, prober.user, options.minutes, record).finally(() => {
      isStopped = true
      prober.close()
    })
    await loading
    const { judged, isGood } = report(samples, mix, options.minutes * 60)
    await record({ soak: options, rate, calls: mix.count, judged, machine: describeMachine() })
    return isGood
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
  console.log(`throughput ${throughput.toFixed(0)} calls/s`)
  const folder = await makeDataDir()
  try {
    // A minute more at each end: the copies of job-service go a minute after the executions.
    const filled = await fill(folder.path, throughput, options.minutes + 2)
    // Where the data of a week ago came slower than planned, the soak is as slow: what it stores must match what is purged.
    const rate = Math.min(throughput * soakShare, filled)
    console.log(`the soak makes ${rate.toFixed(0)} calls and ${cronCount} crons a second`)
    const isFlat = await soakOn(folder.path, rate, options)
    if (warning !== '') console.log(warning)
    console.log(`JSON lines: ${options.json}`)
    return isFlat
  } finally {
    await folder.remove()
  }
}
