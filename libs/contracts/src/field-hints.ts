import { z } from 'zod'

/** The hint about a field that a body does not have: a sentence, and the path of the field that does the same here. */
export interface FieldHint {
  readonly detail: string
  readonly suggestion: string
}

type FieldHints = Readonly<Record<string, FieldHint>>

/**
 * Names that other schedulers use, and fields in a wrong position, by the schema of the object in which they
 * turn up. An answer gives the hint instead of "there is no field".
 */
export const fieldHints = z.registry<{ readonly fields: FieldHints }>()

/** The same hint under each of the names. */
function hint(suggestion: string, detail: string, names: readonly string[]): FieldHints {
  return Object.fromEntries(names.map((name) => [name, { detail, suggestion }]))
}

const toMaxRetries = hint(
  'maxRetries',
  'the number of retries is "maxRetries"; with "maxRetries": 2 a job has up to 3 attempts',
  ['attempts', 'maxAttempts', 'max_attempts', 'tries', 'retries', 'max', 'limit'],
)

/** In `retry` of a job. */
export const retryHints: FieldHints = {
  ...toMaxRetries,
  ...hint('delay', 'the wait before the first retry is "delay", such as "5s"', ['wait', 'interval', 'initialDelay']),
}

/** In the object form of `schedule`. */
export const scheduleHints: FieldHints = hint(
  'timezone',
  'the time zone of a cron is "timezone", such as "Europe/Berlin"',
  ['timeZone', 'tz', 'zone'],
)

/** In an interval, `schedule.every`. */
export const intervalHints: FieldHints = hint('schedule.cron', 'an interval has no time zone; a cron has one', [
  'timezone',
])

/** In the body of a trigger. */
export const triggerHints: FieldHints = hint('params', 'what the run works with is "params", an object', [
  'payload',
  'data',
  'args',
  'input',
  'body',
])

/** At the top level of a job. */
export const jobHints: FieldHints = {
  ...triggerHints,
  ...hint('retry.maxRetries', 'retries are set in "retry": {"maxRetries": 2} gives a job up to 3 attempts', [
    'attempts',
    'maxAttempts',
    'max_attempts',
    'maxRetries',
    'max_retries',
    'retries',
    'tries',
  ]),
  ...hint('retry.backoff', 'the backoff is set in "retry": {"backoff": "exponential", "delay": "5s"}', ['backoff']),
  ...hint(
    'schedule.timezone',
    'the time zone belongs into the schedule: "schedule": {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}',
    ['timezone', 'timeZone', 'tz', 'zone'],
  ),
  ...hint('schedule', 'a cron is written as "schedule": "0 9 * * *"', ['cron', 'cronExpression', 'crontab']),
  ...hint('schedule.every', 'an interval is written as "schedule": {"every": "15s"}', ['every', 'interval', 'repeat']),
  ...hint('runAt', 'a job that runs once takes "runAt", such as "2026-12-01T09:00:00Z"', [
    'at',
    'date',
    'when',
    'time',
  ]),
  ...hint('jobType', 'the kind of work is "jobType", such as "HTTP_CALL"', ['type', 'kind', 'handler', 'job']),
  ...hint('params.url', 'the address that an HTTP_CALL calls is "params": {"url": "https://example.com/"}', ['url']),
}
