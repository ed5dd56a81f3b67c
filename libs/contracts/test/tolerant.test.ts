import { sampleJobChanges, sampleJobExecute, sampleJobStatus, sampleSpec } from '@belfry/testkit'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  type DeadLetterMessage,
  jobChangesMessage,
  jobExecuteMessage,
  jobStatusMessage,
  type ScheduleSpec,
  type Topic,
  tolerant,
  topics,
} from '../src/index.ts'

/** What has no shape of its own, so that nothing in it is unknown. */
const ofFreeForm = ['params', 'result']

/** The value as a newer version may send it: every object has fields more. */
function newer(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(newer)
  if (typeof value !== 'object' || value === null) return value
  const known = Object.entries(value).map(([name, part]) => [name, ofFreeForm.includes(name) ? part : newer(part)])
  return { newText: 'new', ...Object.fromEntries(known), newObject: { deep: [1, { deeper: true }] } }
}

const schedules: ScheduleSpec[] = [
  { kind: 'cron', cron: '* * * * *', timezone: 'UTC' },
  { kind: 'interval', everyMs: 1000, anchorAt: 0 },
  { kind: 'once', runAt: 0 },
  { kind: 'manual' },
]
const ended = sampleJobStatus({
  state: 'failed',
  attempts: [
    { epoch: 1, executor: 'e', startedAt: 1, endedAt: 2, outcome: 'failed', error: { code: 'x', message: 'y' } },
  ],
  error: { code: 'x', message: 'y' },
  result: { free: { form: 1 } },
  artifacts: [{ name: 'a', contentType: 'text/plain', bytes: 1 }],
})
const letters: DeadLetterMessage[] = [
  { kind: 'execution', jobId: ended.jobId, execution: ended },
  { kind: 'poison', topic: 'job-status', partition: 0, offset: '1', reason: 'r', raw: '' },
]
const samples: [Topic, unknown][] = [
  ...schedules.map((schedule): [Topic, unknown] => [
    'job-changes',
    sampleJobChanges({ spec: sampleSpec({ schedule }) }),
  ]),
  ['job-execute', sampleJobExecute({ params: { a: { b: 1 } } })],
  ['job-status', sampleJobStatus()],
  ['job-status', ended],
  ...letters.map((letter): [Topic, unknown] => ['job-dead-letter', letter]),
]

describe('a message of a newer version', () => {
  it.each(samples)('is read on %s, without the fields that are unknown here', (topic, message) => {
    expect(topics[topic].parse(newer(message))).toEqual(message)
  })

  it.each(samples)('is still refused on %s when a known field is wrong at any depth', (topic, message) => {
    const text = JSON.stringify(newer(message))
    for (const [name, wrong] of [
      ['jobId', '7'],
      ['topic', '7'],
      ['everyMs', '"x"'],
      ['epoch', '1.5'],
      ['maxRetries', '101'],
    ]) {
      const changed = text.replace(new RegExp(`"${name}":("[^"]*"|[\\d.]+)`), `"${name}":${wrong}`)
      if (changed !== text) expect(topics[topic].safeParse(JSON.parse(changed)).success, name).toBe(false)
    }
  })

  it('leaves bodies closed that share their shapes', () => {
    expect(jobChangesMessage.safeParse({ ...sampleJobChanges(), more: 1 }).success).toBe(false)
    expect(jobExecuteMessage.safeParse({ ...sampleJobExecute(), more: 1 }).success).toBe(false)
    expect(jobStatusMessage.safeParse({ ...ended, error: { code: 'x', message: 'y', more: 1 } }).success).toBe(false)
  })
})

describe('a tolerant schema', () => {
  it('keeps the bounds of lists, and what is optional or null', () => {
    const schema = tolerant(
      z.strictObject({ list: z.array(z.strictObject({ n: z.number() })).max(2), some: z.strictObject({}).nullish() }),
    )
    const one = { n: 1, more: 1 }
    expect(schema.parse({ list: [one, one], some: { more: 1 } })).toEqual({ list: [{ n: 1 }, { n: 1 }], some: {} })
    expect(schema.parse({ list: [], some: null })).toEqual({ list: [], some: null })
    expect(schema.parse({ list: [] })).toEqual({ list: [] })
    expect(schema.safeParse({ list: [one, one, one] }).success).toBe(false)
  })
})
