import { jobType } from '@belfry/contracts'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { afterAll, describe, expect, it } from 'vitest'
import { createHandlers, describeHandlers, handlersDefaults } from '../../src/job-types/job-types.ts'

const handlers = createHandlers(handlersDefaults)
const described = describeHandlers(handlers)
const formats = { uri: URL.canParse, date: (text: string) => !Number.isNaN(Date.parse(text)) }
const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, formats })
// The words that a schema has for its own issues, as tools for JSON Schema call them.
ajv.addKeyword('errorMessage')
const checkOf = (type: string) => ajv.compile(described.find((one) => one.type === type)?.params ?? false)

afterAll(() => handlers.close())

describe('the job types that ship', () => {
  it('are these three', () => expect([...handlers.types.keys()]).toEqual(['DUMMY', 'HTTP_CALL', 'REPORT']))

  it.each(described.map((one) => [one.type, one] as const))('%s is described as the contract says', (_, one) => {
    expect(jobType.parse(one)).toEqual(one)
    expect(one.params.$schema).toBe('https://json-schema.org/draft/2020-12/schema')
    expect(one.params.additionalProperties).toBe(false)
    expect(one.examples.length).toBeGreaterThan(0)
    expect(JSON.parse(JSON.stringify(one))).toEqual(one)
  })

  it.each(described.flatMap((one) => one.examples.map((example) => [one.type, example] as const)))(
    '%s takes its example %j, by its schema and when it runs',
    (type, example) => {
      expect(checkOf(type)(example)).toBe(true)
      expect(handlers.types.get(type)?.params.safeParse(example).success).toBe(true)
    },
  )

  it('name their defaults without asking for them', () => {
    const schema = described.find((one) => one.type === 'HTTP_CALL')?.params
    expect(schema).toMatchObject({
      required: ['url'],
      properties: { method: { default: 'GET' }, headers: { default: {} }, timeoutMs: { default: 30_000 } },
    })
  })
})

describe('the schema that a job is checked against when it is saved', () => {
  it.each([
    ['DUMMY', { durationMs: -1 }],
    ['DUMMY', { fail: 2 }],
    ['DUMMY', { sleep: 1 }],
    ['REPORT', {}],
    ['REPORT', { reportType: 'weekly-sales' }],
    ['REPORT', { reportType: 'daily-sales', date: '21.11.2026' }],
    ['HTTP_CALL', {}],
    ['HTTP_CALL', { url: 'ftp://example.com/' }],
    ['HTTP_CALL', { url: 'http://user:secret@example.com/' }],
    ['HTTP_CALL', { url: 'https://example.com/', method: 'TRACE' }],
    ['HTTP_CALL', { url: 'https://example.com/', method: 'CONNECT' }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { Host: 'internal' } }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { 'Idempotency-Key': 'mine' } }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { 'x-JOB-anything': 'mine' } }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { 'Content-Length': '0' } }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { 'a\r\nb': 'c' } }],
    ['HTTP_CALL', { url: 'https://example.com/', headers: { accept: 'a\r\nHost: b' } }],
    ['HTTP_CALL', { url: 'https://example.com/', expect: { status: 99 } }],
    ['HTTP_CALL', { url: 'https://example.com/', timeoutMs: 0 }],
    ['HTTP_CALL', { url: 'https://example.com/', follow: true }],
  ])('%s refuses %j', (type, params) => {
    expect(checkOf(type)(params)).toBe(false)
    expect(handlers.types.get(type)?.params.safeParse(params).success).toBe(false)
  })

  it.each([
    { url: 'https://example.com' },
    { url: 'HTTP://EXAMPLE.COM:8443/a/b?c=d&e=f#g' },
    { url: 'http://[2606:4700:4700::1111]/' },
    { url: 'https://bücher.example/straße' },
    {
      url: 'https://example.com/',
      headers: { Accept: 'text/plain', 'X-Job': 'ours begin with X-Job-', 'X-Hosting': 'a' },
    },
    { url: 'https://example.com/', method: 'POST', body: null },
    { url: 'https://example.com/', method: 'POST', body: [1, 'two', { three: 3 }] },
  ])('HTTP_CALL takes %j', (params) => {
    expect(checkOf('HTTP_CALL')(params)).toBe(true)
    expect(handlers.types.get('HTTP_CALL')?.params.safeParse(params).error).toBeUndefined()
  })
})
