import type { BodyExample } from '@belfry/http'

/** Bodies of `POST /jobs`. The first one works everywhere, and shows at once that it does. */
export const createExamples: Readonly<Record<string, BodyExample>> = {
  everyMinute: {
    summary: 'A job of every minute that only waits and logs',
    value: {
      name: 'A first job',
      jobType: 'DUMMY',
      schedule: '* * * * *',
      params: { durationMs: 500, payload: 'Hello' },
    },
  },
  once: {
    summary: 'A job that runs once, ten seconds from now',
    value: { name: 'In ten seconds', jobType: 'DUMMY', delay: '10s', params: { durationMs: 500 } },
  },
  report: {
    summary: 'A report of every working day at six in Berlin',
    value: {
      name: 'Daily sales',
      jobType: 'REPORT',
      schedule: { cron: '0 6 * * MON-FRI', timezone: 'Europe/Berlin' },
      params: { reportType: 'daily-sales', format: 'csv' },
      tags: ['reports'],
    },
  },
  httpCall: {
    summary: 'A call of an address every 15 minutes, with retries',
    value: {
      name: 'Refresh the cache',
      jobType: 'HTTP_CALL',
      schedule: { every: '15m' },
      params: { method: 'POST', url: 'https://example.com/refresh', body: { full: true } },
      retry: { maxRetries: 5, delay: '10s' },
      timeout: '30s',
      overlap: { policy: 'skip' },
    },
  },
  manual: {
    summary: 'A job that runs only when it is triggered',
    value: { name: 'On demand', jobType: 'DUMMY', schedule: null },
  },
}

/** Bodies of `PUT /jobs/:key`. */
export const putExamples: Readonly<Record<string, BodyExample>> = {
  report: {
    summary: 'A report of every day at six',
    value: {
      name: 'Daily sales',
      jobType: 'REPORT',
      schedule: '0 6 * * *',
      params: { reportType: 'daily-sales' },
    },
  },
}
