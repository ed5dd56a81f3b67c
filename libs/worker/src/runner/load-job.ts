import { isJob, type Job } from '../job.ts'
import { jsonSchemaOf } from '../standard-schema.ts'
import type { RawDescription } from './protocol.ts'

/** What a file says about its job type goes to every service, bytes of JSON. */
const longestDescription = 256 * 1024

/** The job type of a file. Rejects with what the file throws, and when it exports none. */
export async function loadJob(url: string): Promise<Job> {
  const module = (await import(url)) as { readonly default?: unknown }
  if (isJob(module.default)) return checkShape(module.default)
  throw new Error(
    'has no default export made by defineJob; a module that handlers share belongs into a subfolder, which is not searched',
  )
}

function checkShape(job: Job): Job {
  if (typeof job.run !== 'function') throw new Error('run: must be a function')
  if (typeof job.params?.['~standard']?.validate !== 'function') {
    throw new Error('params: must be a schema of zod, valibot, arktype, or another Standard Schema')
  }
  if (job.result !== undefined && typeof job.result['~standard']?.validate !== 'function') {
    throw new Error('result: must be a schema')
  }
  return job
}

/** As data that can be sent to the main loop. */
export function describeJob(job: Job): RawDescription {
  const { type, title, description, timeout, retry, concurrency, slots, examples } = job
  const described = {
    ...{ type, title, description, timeout, retry, concurrency, slots, examples },
    params: jsonSchemaOf(job.params, 'input'),
    result: job.result === undefined ? {} : jsonSchemaOf(job.result, 'output', {}),
  }
  // JSON and nothing else: a function among the fields could not be sent.
  const text = JSON.stringify(described)
  const bytes = Buffer.byteLength(text)
  if (bytes > longestDescription) {
    throw new Error(
      `the job type has ${bytes} bytes with its JSON Schemas and examples; ${longestDescription} are allowed`,
    )
  }
  return JSON.parse(text) as RawDescription
}
