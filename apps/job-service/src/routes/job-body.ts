import { createJobBody, putJobBody } from '@belfry/contracts'
import type { z } from 'zod'
import { formFaults } from '../domain/spec.ts'

/**
 * Adds the faults of form that no schema of a single field finds (a cron that cannot be read, two schedules at once), so
 * that one answer names them together with the others. Fields with a fault of their own are left out.
 */
function addFormFaults(body: unknown, context: z.core.$RefinementCtx): void {
  if (typeof body !== 'object' || body === null) return
  const faulty = new Set(context.issues.map((issue) => String(issue.path?.[0] ?? '')))
  const sound = Object.fromEntries(Object.entries(body).filter(([name]) => !faulty.has(name)))
  for (const { pointer, code, detail, suggestion } of formFaults(sound)) {
    const path = pointer.split('/').slice(1)
    context.addIssue({ code: 'custom', path, message: detail, params: { code, suggestion } })
  }
}

/** Not only when the fields are sound. */
const always = { when: () => true }

/** The bodies of `POST /jobs` and `PUT /jobs/:key`, with every fault of form. */
export const createBody = createJobBody.superRefine(addFormFaults, always)
export const putBody = putJobBody.superRefine(addFormFaults, always)
