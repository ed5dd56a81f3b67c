import { readJobTypes } from '../src/domain/job-types.ts'

/** Two types as an executor describes them. */
export const typeList = [
  {
    type: 'DUMMY',
    title: 'Dummy',
    description: 'Sleeps.',
    params: {
      type: 'object',
      properties: { durationMs: { type: 'integer', minimum: 0, default: 2000 }, payload: {} },
      additionalProperties: false,
    },
    result: {},
    timeoutMs: 3_600_000,
    examples: [{}],
  },
  {
    type: 'HTTP_CALL',
    title: 'HTTP call',
    description: 'Calls an address.',
    params: {
      type: 'object',
      properties: {
        url: { type: 'string', format: 'uri' },
        method: { enum: ['GET', 'POST'], default: 'GET' },
        headers: { type: 'object', additionalProperties: { type: 'string' } },
      },
      required: ['url'],
      additionalProperties: false,
    },
    result: {},
    timeoutMs: 30_000,
    examples: [{ url: 'https://example.com' }],
  },
]

export const types = readJobTypes(typeList)
