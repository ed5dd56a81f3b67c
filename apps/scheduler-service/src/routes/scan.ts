import type { HttpApp } from '@belfry/http'
import { z } from 'zod'
import type { Worked } from '../domain/due.ts'

/** How many schedules were advanced, and how many commands went to the executors. */
const scanReply = z.strictObject({ advanced: z.number().int(), sent: z.number().int() })

/** `POST /scheduler/scan`: looks at once for what is due. It never hurries anything: what is due is due anyway. */
export function mountScan(app: HttpApp, scan: () => Promise<Worked>): void {
  const schema = { tags: ['scheduler'], summary: 'Look for what is due now', response: { 200: scanReply } }
  app.post('/scheduler/scan', { schema, config: { access: 'user' } }, () => scan())
}
