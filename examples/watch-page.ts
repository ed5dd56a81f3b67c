import { defineJob, retryAfter } from '@belfry/worker'
import { z } from 'zod'

/**
 * Looks at a page until it changes, and says what it has become. The checkpoint holds the page's ETag and how often the job has
 * looked, so a restart in between begins nothing anew.
 */
export default defineJob({
  type: 'WATCH_PAGE',
  title: 'Watch a page',
  description: 'Asks for a page until its content changes.',
  params: z.object({
    url: z.url(),
    everySeconds: z.number().min(1).default(60),
    mostLooks: z.int().min(1).max(10_000).default(60),
  }),
  result: z.object({ hasChanged: z.boolean(), looks: z.int(), etag: z.string().nullable() }),
  timeout: '2h',
  slots: 'io',
  examples: [{ url: 'https://example.com/' }],
  async run({ url, everySeconds, mostLooks }, ctx) {
    const begun = await ctx.resume<{ looks: number; etag: string }>()
    let looks = begun?.looks ?? 0
    let etag = begun?.etag ?? null
    while (looks < mostLooks) {
      if (looks > 0) await ctx.sleep(everySeconds * 1000)
      const headers: Record<string, string> = etag === null ? {} : { 'if-none-match': etag }
      const answer = await fetch(url, { headers, signal: ctx.signal })
      await answer.arrayBuffer()
      if (answer.status === 429 || answer.status === 503) throw retryAfter(60_000, 'busy', `${url} asks for a pause`)
      const found = answer.headers.get('etag')
      looks += 1
      if (answer.status === 200 && etag !== null && found !== etag) {
        ctx.log.info(`${url} has changed after ${looks} looks`)
        return { hasChanged: true, looks, etag: found }
      }
      etag = found ?? etag
      ctx.progress(looks / mostLooks, `looked ${looks} times`)
      await ctx.checkpoint({ looks, etag })
    }
    return { hasChanged: false, looks, etag }
  },
})
