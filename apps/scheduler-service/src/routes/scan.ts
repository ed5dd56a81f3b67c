import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { AdvanceResult } from '../use-cases/advance-schedules.ts'

const scanReply = z
  .strictObject({
    advanced: z.number().int().describe('How many schedules were due and were advanced.'),
    sent: z.number().int().describe('How many commands were sent to the executors.'),
  })
  .meta({ id: 'ScanReply', description: 'What a scan of the scheduler did.' })

/**
 * `POST /scheduler/scan`: advances at once what is due. No fire time is issued earlier than its look-ahead: the loop would
 * advance the same schedules with its next poll.
 */
export function mountScan(app: HttpApp, scan: () => Promise<AdvanceResult>): void {
  const schema = {
    operationId: 'scanSchedules',
    tags: ['scheduler'],
    summary: 'Look for what is due now',
    description:
      'Advances every schedule that is due, as the scheduler does by itself several times a second. Nothing runs early.',
    response: { 200: scanReply },
  }
  app.post('/scheduler/scan', { schema, config: { access: 'user' } }, () => scan())
}
