import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { AdvanceResult } from '../use-cases/advance-schedules.ts'

/** How many schedules were advanced, and how many commands were sent to the executors. */
const scanReply = z.strictObject({ advanced: z.number().int(), sent: z.number().int() })

/**
 * `POST /scheduler/scan`: advances at once what is due. No fire time is issued earlier than its look-ahead: the loop would
 * advance the same schedules with its next poll.
 */
export function mountScan(app: HttpApp, scan: () => Promise<AdvanceResult>): void {
  const schema = { tags: ['scheduler'], summary: 'Look for what is due now', response: { 200: scanReply } }
  app.post('/scheduler/scan', { schema, config: { access: 'user' } }, () => scan())
}
