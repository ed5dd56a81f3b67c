import type { Caller } from '../../proof/caller.ts'

/** An event as it came. */
export interface ReadEvent {
  readonly id: string | null
  readonly event: string
  readonly data: Record<string, unknown>
}

/** A stream of events that is read event by event. */
export interface EventReader {
  readonly status: number
  readonly headers: Headers
  /** All that came so far. */
  readonly events: readonly ReadEvent[]
  /** The id to go on with. */
  lastId(): string | null
  /** Reads until an event fits, and answers it; rejects when the stream ends before. */
  until(fits: (event: ReadEvent) => boolean): Promise<ReadEvent>
  /** Cuts the connection. */
  cut(): void
}

function readBlock(block: string): { id: string | null; event: ReadEvent | null } {
  const fields = new Map(
    block.split('\n').map((line) => [line.split(': ', 1)[0] ?? '', line.slice(line.indexOf(': ') + 2)]),
  )
  const id = fields.get('id') ?? null
  const data = fields.get('data')
  return { id, event: data === undefined ? null : { id, event: fields.get('event') ?? '', data: JSON.parse(data) } }
}

/** Opens a stream as a user; `lastId` as the `Last-Event-ID` of a client that comes again. */
export async function openEvents({ url, token }: Caller, path: string, lastId?: string | null): Promise<EventReader> {
  const abort = new AbortController()
  const answer = await fetch(`${url}${path}`, {
    headers: { authorization: `Bearer ${token}`, ...(lastId && { 'last-event-id': lastId }) },
    signal: abort.signal,
  })
  const events: ReadEvent[] = []
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let [text, last, seen] = ['', lastId ?? null, 0]
  const readMore = async () => {
    const { value, done } = (await reader?.read()) ?? { done: true, value: '' }
    if (done) throw new Error(`the stream ended after ${JSON.stringify(events.at(-1))}`)
    const blocks = (text + value).split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const { id, event } = readBlock(block)
      last = id ?? last
      if (event) events.push(event)
    }
  }
  return {
    ...{ status: answer.status, headers: answer.headers, events },
    lastId: () => last,
    async until(fits) {
      for (;;) {
        for (; seen < events.length; seen++) if (fits(events[seen] as ReadEvent)) return events[seen++] as ReadEvent
        await readMore()
      }
    },
    cut: () => abort.abort(),
  }
}
