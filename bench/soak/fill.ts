import { setTimeout as wait } from 'node:timers/promises'
import { startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'
import { runBounded } from './load.ts'
import { callers, deadlineMs, env, loadOf, makeCrons, names, removeCrons, retentionMs, soakShare } from './system.ts'

/** The share of the measured throughput at which the data of a week ago is made. */
const fillShare = 0.9

/**
 * Makes the data of a week ago: the same load, at a clock that is a week slow and runs as much faster as the load is denser. At
 * the soak, each of its records reaches the retention when one of the same kind is made. Resolves to the calls a second of that clock.
 */
export async function fill(folder: string, throughput: number, minutes: number): Promise<number> {
  const speed = fillShare / soakShare
  const perSecond = throughput * fillShare
  const planned = (minutes * 60) / speed
  const start = Math.floor(Date.now() + (planned + 15) * 1000 - retentionMs)
  const clock = {
    NODE_OPTIONS: `--import=${new URL('./shifted-clock.ts', import.meta.url)}`,
    BENCH_CLOCK_START: String(start),
    BENCH_CLOCK_SPEED: String(speed),
  }
  const begunAt = Date.now()
  const belfry = await startBelfry(folder, { env: { ...env, ...clock }, deadlineMs })
  try {
    const now = () => start + (Date.now() - begunAt) * speed
    const mix = await loadOf(belfry, now)
    const crons = await makeCrons(await signUp(belfry.url, names.prober))
    const seconds = await runBounded(mix, { count: Math.ceil(perSecond * planned), perSecond, callers })
    // Those of the soak begin anew: it is no matter of a soak what a week without a scheduler has missed.
    await removeCrons(await signUp(belfry.url, names.prober), crons)
    const { done, failed, firstFailure } = mix.count
    console.log(
      `data of a week ago: ${done} calls in ${seconds.toFixed(0)} s (planned: ${planned.toFixed(0)}), ${failed} failed ${firstFailure}`,
    )
    // One-shots that are due within five seconds of a faster clock run.
    await wait(6_000)
    return done / (seconds * speed)
  } finally {
    await belfry.stop()
  }
}
