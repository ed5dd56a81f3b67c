import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCaller } from '../../proof/caller.ts'
import { openOneProcess } from '../../proof/one-process.ts'
import {
  type AddressedOperation,
  type ApiDocument,
  operationsOf,
  readApiDocument,
  resolve,
  type Schema,
} from '../api-document.ts'

let document: ApiDocument
let operations: AddressedOperation[]
let close = async () => {}
beforeAll(async () => {
  const belfry = await openOneProcess()
  document = await readApiDocument(createCaller(belfry.url, null))
  operations = operationsOf(document)
  close = belfry.close
})
afterAll(() => close())

/** The names of the operations for which the check answers false. */
function lacking(check: (one: AddressedOperation) => boolean): string[] {
  return operations.filter((one) => !check(one)).map(({ name }) => name)
}

const isSentence = (text: string | undefined) => text !== undefined && /[.:`]$/.test(text.trim())

/** The fields of every schema in a value that have no description, also not under the name that they refer to. */
function undescribed(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, one]) => {
    if (name === 'example' || name === 'examples' || name === 'default') return []
    const below = undescribed(one, `${path}/${name}`)
    if (name !== 'properties') return below
    const fields = Object.entries(one as Record<string, Schema>)
    const bare = fields.filter(([, field]) => !isSentence(field.description ?? resolve(document, field).description))
    return [...bare.map(([field]) => `${path}/properties/${field}`), ...below]
  })
}

describe('every operation of the API description', () => {
  it('has an id of its own, made of a verb and a noun', () => {
    expect(lacking(({ operation }) => /^[a-z]+(?:[A-Z][a-z]*)+$/.test(operation.operationId ?? ''))).toEqual([])
    const ids = operations.map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.length).toBeGreaterThan(30)
  })

  it('has a summary of one line, and a description in sentences', () => {
    const isLine = (text = '') => text.length > 3 && text.length <= 100 && !/[.\n]$/.test(text)
    expect(lacking(({ operation }) => isLine(operation.summary))).toEqual([])
    // The last sentence, on who may call it, is there for every route.
    expect(lacking(({ operation }) => operation.description?.includes('\n\n') === true)).toEqual([])
    expect(lacking(({ operation }) => isSentence(operation.description))).toEqual([])
  })

  it('has one tag, which is described', () => {
    const described = new Set(
      document.tags.filter(({ description }) => isSentence(description)).map(({ name }) => name),
    )
    expect(lacking(({ operation: { tags = [] } }) => tags.length === 1 && described.has(tags[0] ?? ''))).toEqual([])
  })

  it('says what a success has in it, and how a refusal looks', () => {
    const isWhole = ({ operation: { responses } }: AddressedOperation) =>
      Object.entries(responses).every(([status, answer]) => {
        const contents = Object.values(resolve(document, answer).content ?? {})
        return (
          status === '204' ||
          status === '304' ||
          (contents.length > 0 && contents.every(({ schema }) => schema !== undefined))
        )
      })
    expect(lacking(isWhole)).toEqual([])
    const statuses = ({ operation }: AddressedOperation) => Object.keys(operation.responses)
    expect(lacking((one) => statuses(one).some((status) => /^2\d\d$/.test(status)))).toEqual([])
    expect(lacking((one) => statuses(one).filter((status) => /^[45]\d\d$/.test(status)).length >= 3)).toEqual([])
  })

  it('says whether it needs a token', () => {
    expect(lacking(({ operation }) => Array.isArray(operation.security))).toEqual([])
  })

  it('describes its parameters', () => {
    const isDescribed = ({ operation: { parameters = [] } }: AddressedOperation) =>
      parameters.every((one) => isSentence(resolve(document, one).description))
    expect(lacking(isDescribed)).toEqual([])
  })

  it('has examples of its body, where it takes one', () => {
    const hasExamples = ({ operation: { requestBody } }: AddressedOperation) =>
      Object.values(requestBody?.content ?? {}).every(({ examples = {} }) => Object.keys(examples).length > 0)
    expect(lacking(hasExamples)).toEqual([])
  })
})

describe('the schemas of the API description', () => {
  it('describe every field in a sentence', () => {
    expect(undescribed({ paths: document.paths, components: document.components }, '')).toEqual([])
  })

  it('have names by which programs find them', () => {
    const names = ['Job', 'JobStatus', 'ListedJobPage', 'Execution', 'Schedule', 'Problem', 'CreateJobBody', 'JobType']
    expect(Object.keys(document.components.schemas ?? {})).toEqual(expect.arrayContaining(names))
    const inline = operations.filter(({ operation }) =>
      Object.entries(operation.responses).some(([status, answer]) => {
        const schema = answer.content?.['application/json']?.schema
        return status.startsWith('2') && schema !== undefined && schema.$ref === undefined
      }),
    )
    expect(inline.map(({ name }) => name)).toEqual([])
  })
})
