import { defineJob } from '@belfry/worker'
import { z } from 'zod'

/**
 * Sends items one by one to a target, and after a failure or a restart goes on where it stopped. What was sent just before, and not yet
 * noted in the checkpoint, is sent once more with the same key, by which the target knows it.
 */
export default defineJob({
  type: 'SEND_BATCH',
  title: 'Send a batch',
  description: 'Posts each item of a list to a URL, each with an Idempotency-Key of its own.',
  params: z.object({ target: z.url(), items: z.array(z.json()).min(1).max(10_000) }),
  result: z.object({ sent: z.int() }),
  timeout: '30m',
  retry: { maxRetries: 10, delay: '10s', maxDelay: '5m' },
  slots: 'io',
  examples: [{ target: 'https://example.com/invoices', items: [{ invoice: 1 }, { invoice: 2 }] }],
  async run({ target, items }, ctx) {
    let sent = (await ctx.resume<number>()) ?? 0
    if (sent > 0) ctx.log.info(`goes on after item ${sent}`)
    for (; sent < items.length; sent++) {
      const answer = await fetch(target, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': ctx.idempotencyKey(String(sent)) },
        body: JSON.stringify(items[sent]),
        signal: ctx.signal,
      })
      await answer.arrayBuffer()
      if (!answer.ok) throw new Error(`${target} answered ${answer.status} to item ${sent + 1}`)
      await ctx.checkpoint(sent + 1)
      ctx.progress((sent + 1) / items.length, `${sent + 1} of ${items.length}`)
    }
    return { sent }
  },
})
