import { type JobType, jobType, tolerant } from '@belfry/contracts'
import { z } from 'zod'
import type { ApiDocument } from './api-document.ts'

interface Example {
  readonly summary: string
  readonly value: unknown
}

/** The answer of `/internal/job-types`, as far as it is used here. */
const typeList = z.object({ data: z.array(tolerant(jobType.pick({ type: true, title: true, examples: true }))) })
type ExampleSource = Pick<JobType, 'type' | 'title' | 'examples'>

/** Job types of users may bring many and large examples. What is shown of them: number, and characters of JSON of each. */
const mostExamples = 50
const longestExample = 4096

function examplesOf({ type, title, examples }: ExampleSource): [string, Example][] {
  return examples.map((params, at) => {
    const nth = examples.length > 1 ? ` (${at + 1})` : ''
    const value = { name: title, jobType: type, params, schedule: '0 6 * * *' }
    return [`${type}${nth}`, { summary: `${title}${nth}, every day at six`, value }]
  })
}

/** One body of `POST /jobs` for each example of params that a job type has; none when the answer is no list of job types. */
export function readJobTypeExamples(answer: unknown): Record<string, Example> {
  const types = typeList.safeParse(answer).data?.data ?? []
  const short = types.flatMap(examplesOf).filter(([, example]) => JSON.stringify(example).length <= longestExample)
  return Object.fromEntries(short.slice(0, mostExamples))
}

interface Body {
  readonly content?: Record<string, { examples?: Record<string, unknown> }>
}

/** The document with more examples of one body, behind its own: what clients begin with stays the first. */
export function withExamples(
  document: ApiDocument,
  { path, method }: { path: string; method: string },
  more: Readonly<Record<string, unknown>>,
): ApiDocument {
  const operation = document.paths?.[path]?.[method]
  const body = operation?.requestBody as Body | undefined
  const content = body?.content?.['application/json']
  if (!operation || !content || Object.keys(more).length === 0) return document
  const shown = { ...content, examples: { ...content.examples, ...more } }
  const requestBody = { ...body, content: { ...body.content, 'application/json': shown } }
  const operations = { ...document.paths?.[path], [method]: { ...operation, requestBody } }
  return { ...document, paths: { ...document.paths, [path]: operations } }
}
