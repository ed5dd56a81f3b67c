import type { JobContext } from './context.ts'
import { fatal } from './failure.ts'
import type { Job } from './job.ts'
import { describeIssues } from './standard-schema.ts'

/** Largest result of an attempt as JSON, bytes (docs/protocol.md, records). */
const maxResultBytes = 65_536

/**
 * One attempt of a job type, from its params as they are stored to its result as JSON text. Throws a failure that no retry
 * mends for params that the schema refuses (`params-invalid`, each param by its name) and for a result that is none; else what
 * the handler throws.
 */
export async function runAttempt(job: Job, params: unknown, context: JobContext): Promise<string> {
  const read = await job.params['~standard'].validate(params)
  if (read.issues !== undefined) throw fatal('params-invalid', describeIssues(read.issues))
  const result = await job.run(read.value, context)
  if (job.result !== undefined) {
    const checked = await job.result['~standard'].validate(result)
    if (checked.issues !== undefined) throw fatal('result-invalid', describeIssues(checked.issues, 'result'))
  }
  return resultText(result)
}

/** The effect is there, and another attempt would only repeat it: so a result that cannot be stored is fatal. */
function resultText(result: unknown): string {
  let text: string
  try {
    text = JSON.stringify(result) ?? 'null'
  } catch (error) {
    throw fatal('result-not-json', `The result is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxResultBytes) return text
  throw fatal('result-too-large', `The result has ${bytes} bytes; ${maxResultBytes} are allowed.`)
}
