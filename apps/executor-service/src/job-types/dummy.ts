import { type Handler, JobFailure, type RunContext, sleep } from '@belfry/worker'
import { z } from 'zod'

/** Longest sleep, milliseconds: the longest timeout that a job may have (docs/guide/jobs.md). */
const longestSleepMs = 86_400_000

const dummyParams = z.strictObject({
  durationMs: z.int().min(0).max(longestSleepMs).default(2000).describe('How long to sleep, milliseconds.'),
  fail: z
    .union([z.number().min(0).max(1), z.array(z.int().min(1)).max(100)])
    .optional()
    .describe('Which attempts fail: a probability, or a list of attempt numbers.'),
  payload: z.unknown().optional().describe('Anything; it is carried along and not looked at.'),
})
type DummyParams = z.infer<typeof dummyParams>

const dummyResult = z.strictObject({ sleptMs: z.int().describe('How long it slept, milliseconds.') })

/** A number from 0 up to 1 that is always the same for the same text (32-bit FNV-1a with a final mix). */
function fraction(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

/** Drawn from the attempt itself, so that a repeated simulation sees the same attempts fail. */
function mustFail(fail: DummyParams['fail'], { idempotencyKey, epoch }: RunContext): boolean {
  if (fail === undefined) return false
  return typeof fail === 'number' ? fraction(`${idempotencyKey}:${epoch}`) < fail : fail.includes(epoch)
}

async function sleepAloud(ms: number, context: RunContext): Promise<void> {
  context.log('info', `Sleeping for ${ms} ms`)
  await sleep(ms, context)
  context.log('info', 'Awake again')
}

/** DUMMY: does nothing for a while. With `durationMs` 0 it needs no timer, no signal and no log line: a pure no-op. */
export const dummy: Handler<DummyParams> = {
  type: 'DUMMY',
  title: 'Dummy',
  description: 'Sleeps, and fails when asked to. For trying things out and for measuring.',
  params: dummyParams,
  result: dummyResult,
  timeoutMs: 3_600_000,
  slots: 'io',
  examples: [{ durationMs: 500 }, { durationMs: 100, fail: [1, 2], payload: { note: 'the third attempt succeeds' } }],
  async run({ durationMs, fail }, context) {
    if (durationMs > 0) await sleepAloud(durationMs, context)
    if (mustFail(fail, context)) throw new JobFailure('told-to-fail', `Attempt ${context.epoch} was asked to fail.`)
    return { sleptMs: durationMs }
  },
}
