import type { ApiTexts } from './api-document.ts'

const description = `
Describe a job and when it should run, and Belfry runs it on its millisecond, once.

Sign up with \`POST /auth/signup\`, log in with \`POST /auth/login\`, and send the token as \`Authorization: Bearer …\` with every other call.

- **Addresses**: the routes below also answer under \`/v1\` and \`/api\`, and under \`/api/v1\` in an envelope \`{success, message, data}\`.
- **Times** are RFC 3339 in UTC. **Durations** are texts with a unit, such as \`"90s"\`, \`"10m"\`, \`"24h"\`, or ISO 8601 (\`"PT1H30M"\`). A bare number of milliseconds stands only in fields that end in \`Ms\`.
- **Bodies** are JSON, at most 256 KiB. An unknown field is refused, with the nearest known name.
- **Errors** are \`application/problem+json\` (RFC 9457). \`code\` says what kind of problem it is, and \`errors\` lists everything that is wrong with the request at once.
- **Lists** answer pages: \`limit\` (1 to 200, default 50) and the \`cursor\` that the page before gave.
- **Repeated calls**: with an \`Idempotency-Key\` a call is done once, however often it is sent.
`.trim()

/** What the API description says of the whole API. */
export const apiTexts = {
  info: {
    title: 'Belfry',
    version: '0.1.0',
    summary: 'A distributed job scheduler.',
    description,
    contact: { name: 'Belfry' },
    license: { name: 'MIT', identifier: 'MIT' },
  },
  tags: {
    auth: 'Users: signing up, logging in, and the keys that tokens are signed with.',
    jobs: 'Jobs: what to run and when. A job has an id and may have a key; every address takes either.',
    executions: 'Executions: the record of each fire time and of each trigger, with attempts, logs, files and results.',
    secrets: 'Secrets: values that params name, and that no answer shows.',
    'job types': 'Job types: what jobs can do, with the JSON Schema of params and results.',
    notifications: 'Notifications: who learns what about jobs, and what was delivered.',
    events: 'Events: what changes, as a stream.',
    audit: 'The audit log: who changed what, sealed so that a later change of it shows.',
    scheduler: 'The scheduler: its work on schedules that are due.',
    system: 'The system itself: services, instances and their health.',
  },
} as const satisfies ApiTexts
