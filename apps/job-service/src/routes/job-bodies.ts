import { createJobBody, type PutJobBody, putJobBody, type Refusal } from '@belfry/contracts'
import { checkBody } from '@belfry/http'
import { z } from 'zod'
import { patchedBody } from '../domain/body-of.ts'
import type { Job } from '../domain/job.ts'
import { formIssues } from '../domain/spec.ts'
import { inOwnFields } from './older-fields.ts'

/**
 * Adds the issues of form that no schema of a single field finds (a cron that cannot be read, two schedules at once) to those
 * that the fields have, so that one answer names all. Fields with an issue of their own are left out. A body whose fields
 * have none is read by the use case, which compiles its schedule once.
 */
function addFormIssues(body: unknown, context: z.core.$RefinementCtx): void {
  if (context.issues.length === 0 || typeof body !== 'object' || body === null) return
  const invalid = new Set(context.issues.map((issue) => String(issue.path?.[0] ?? '')))
  const valid = Object.fromEntries(Object.entries(body).filter(([name]) => !invalid.has(name)))
  for (const { pointer, code, detail, suggestion } of formIssues(valid)) {
    const path = pointer.split('/').slice(1)
    context.addIssue({ code: 'custom', path, message: detail, params: { code, suggestion } })
  }
}

/** Also when the fields have issues. */
const always = { when: () => true }

/** What `POST /jobs` takes, in Belfry's own fields or in those of the systems before it. */
export const createBody = z.preprocess(inOwnFields, createJobBody.superRefine(addFormIssues, always))
/** What `PUT /jobs/:id` takes, and what a PATCH must come to. */
export const putBody = putJobBody.superRefine(addFormIssues, always)

/** The whole body that a merge patch makes of a job, or a refusal that names its issues. */
export function readPatch(patch: Record<string, unknown>): (job: Job) => PutJobBody | Refusal {
  return (job) => checkBody(putBody, patchedBody(job, patch))
}
