import { expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../belfry-process.ts'
import { signUp } from '../caller.ts'
import { recordResult } from '../report/result.ts'
import { type Fared, runNormalLoad } from './normal-load.ts'
import { openSlowSocket, type SlowKind, slowKinds } from './slow-sockets.ts'

/** Larger figures than those of CI, by environment. */
const sockets = Number(process.env.BELFRY_SLOW_SOCKETS ?? 500)
const measureMs = Number(process.env.BELFRY_SLOW_MEASURE_MS ?? 4_000)

/** How long nothing may move on a connection, milliseconds: less than the default, so that the proof is short. */
const idleMs = 8_000
/** The gateway looks for late requests every 5 s; the rest is for a busy machine. */
const sweepMs = 10_000
/** When a slow client is cut off at the latest, milliseconds after its connection (docs/guide/http-conventions.md). */
const cutOffMs = { silent: 10_000 + sweepMs, headers: 10_000 + sweepMs, body: 15_000 + sweepMs }

async function open() {
  const dataDir = await makeDataDir()
  const belfry = await startBelfry(dataDir.path, { env: { BELFRY_GATEWAY_IDLE_TIMEOUT_MS: String(idleMs) } })
  onTestFinished(async () => {
    await belfry.stop()
    await dataDir.remove()
  })
  const user = await signUp(belfry.url)
  const made = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 0 } })
  // The first reader of the description waits for it to be made.
  await user.call('GET', '/openapi.json')
  await runNormalLoad(user, made.body.id, 1_000)
  const { token } = await signUp(belfry.url)
  return {
    url: belfry.url,
    slowToken: token as string,
    load: (forMs = measureMs) => runNormalLoad(user, made.body.id, forMs),
  }
}

/** How many times as long as alone, or as many calls. */
const ratio = (beside: number, alone: number) => Math.round((100 * beside) / alone) / 100

/** The load beside the slow sockets, by the load without them: before they come, and after they have gone, in one run. */
function compare(beside: Fared, alone: readonly Fared[]) {
  const mean = (of: (one: Fared) => number) => alone.reduce((sum, one) => sum + of(one), 0) / alone.length
  return {
    calls: ratio(
      beside.calls,
      mean((one) => one.calls),
    ),
    p50: ratio(
      beside.p50Ms,
      mean((one) => one.p50Ms),
    ),
    p99: ratio(
      beside.p99Ms,
      mean((one) => one.p99Ms),
    ),
  }
}

function reportFigures(before: Fared, beside: Fared, after: Fared): void {
  const by = compare(beside, [before, after])
  console.log(
    `without: ${shown(before)}; beside ${sockets} slow sockets: ${shown(beside)}; without again: ${shown(after)}. ` +
      `Beside by without: calls ${by.calls}, p50 ${by.p50}, p99 ${by.p99}`,
  )
  const figures = { sockets, 'calls, beside / without': by.calls, 'p50, beside / without': by.p50 }
  recordResult({
    layer: 'security',
    tried: { 'slow sockets': sockets },
    parts: [
      {
        name: 'normal load beside slow sockets',
        isAsExpected: true,
        figures: { ...figures, 'p99, beside / without': by.p99, 'failed calls': beside.failed.length },
      },
    ],
    found: [],
  })
}

const shown = ({ calls, p50Ms, p99Ms }: Fared) =>
  `${calls} calls, p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`

it(`${sockets} slow sockets leave the calls of others as they are, and are cut off`, async () => {
  const { url, slowToken, load } = await open()
  const alone = await load()
  const slow = slowKinds.flatMap((kind) =>
    Array.from({ length: sockets / slowKinds.length }, () => openSlowSocket(url, kind, slowToken)),
  )
  onTestFinished(() => {
    for (const one of slow) one.close()
  })
  // Answers that are not read fill the buffers of their connections first.
  const opening = await load(2_000)
  const beside = await load()
  expect(alone.failed).toEqual([])
  expect([...opening.failed, ...beside.failed]).toEqual([])
  // A call that waited for one of them would take seconds.
  expect(beside.p50Ms).toBeLessThan(2 * alone.p50Ms + 10)
  expect(beside.p99Ms).toBeLessThan(2 * alone.p99Ms + 250)

  const stillOpen = () => slow.filter((one) => one.closedAfterMs() === null)
  await eventually(
    'the clients that read to be cut off',
    async () => (stillOpen().every(({ kind }) => kind === 'reader') ? true : undefined),
    30_000,
  )
  for (const one of slow) one.read()
  await eventually('the others to be cut off', async () => (stillOpen().length === 0 ? true : undefined), 10_000)
  for (const { kind, closedAfterMs } of slow) {
    if (kind !== 'reader') expect(closedAfterMs(), kind).toBeLessThan(cutOffMs[kind])
  }
  const answersOf = (asked: SlowKind) => new Set(slow.filter(({ kind }) => kind === asked).map((one) => one.status()))
  expect(answersOf('silent')).toEqual(new Set([null]))
  expect(answersOf('headers')).toEqual(new Set(['408']))
  // Bodies that would take more than one user's share are refused at once.
  expect([...answersOf('body')].sort()).toEqual(['408', '503'])
  reportFigures(alone, beside, await load())
}, 120_000)
