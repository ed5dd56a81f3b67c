import { describe, expect, it } from 'vitest'
import type { ApiDocument } from '../../src/openapi/api-document.ts'
import { readJobTypeExamples, withExamples } from '../../src/openapi/job-type-examples.ts'

const typeOf = (type: string, examples: object[]) => ({ type, title: `Title of ${type}`, examples, new: 'field' })

describe('the examples of job types', () => {
  it('are a body for each example of params, also of an executor of a newer version', () => {
    const data = [
      typeOf('DUMMY', [{ durationMs: 1 }, { durationMs: 2 }]),
      typeOf('REPORT', [{}]),
      typeOf('COMMAND', []),
    ]
    expect(readJobTypeExamples({ data })).toEqual({
      'DUMMY (1)': {
        summary: 'Title of DUMMY (1), every day at six',
        value: { name: 'Title of DUMMY', jobType: 'DUMMY', params: { durationMs: 1 }, schedule: '0 6 * * *' },
      },
      'DUMMY (2)': {
        summary: 'Title of DUMMY (2), every day at six',
        value: { name: 'Title of DUMMY', jobType: 'DUMMY', params: { durationMs: 2 }, schedule: '0 6 * * *' },
      },
      REPORT: {
        summary: 'Title of REPORT, every day at six',
        value: { name: 'Title of REPORT', jobType: 'REPORT', params: {}, schedule: '0 6 * * *' },
      },
    })
  })

  it('are bounded in number and length, and none where the answer is no list', () => {
    const many = Array.from({ length: 99 }, (_, at) => typeOf(`TYPE_${at}`, [{}]))
    expect(Object.keys(readJobTypeExamples({ data: many }))).toHaveLength(50)
    expect(readJobTypeExamples({ data: [typeOf('LONG', [{ text: 'x'.repeat(5000) }])] })).toEqual({})
    expect(readJobTypeExamples('no list')).toEqual({})
  })

  it('come after those that the operation has itself', () => {
    const content = { 'application/json': { schema: {}, examples: { own: { value: 1 } } } }
    const document: ApiDocument = {
      paths: { '/jobs': { get: {}, post: { requestBody: { required: true, content } } } },
    }
    const body = (one: ApiDocument) => one.paths?.['/jobs']?.post?.requestBody
    const more = withExamples(document, { path: '/jobs', method: 'post' }, { more: { value: 2 } })
    expect(body(more)).toEqual({
      required: true,
      content: { 'application/json': { schema: {}, examples: { own: { value: 1 }, more: { value: 2 } } } },
    })
    expect(withExamples(document, { path: '/elsewhere', method: 'post' }, { more: 1 })).toBe(document)
  })
})
