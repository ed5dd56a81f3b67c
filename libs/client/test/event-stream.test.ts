import { describe, expect, it } from 'vitest'
import { createClient, NoAnswerError } from '../src/index.ts'
import { openWorld, problem } from './world.ts'

const stream = { 'content-type': 'text/event-stream; charset=utf-8' }
const eventOf = (id: string, data: unknown) => `id: ${id}\nevent: execution\ndata: ${JSON.stringify(data)}\n\n`
const end = (reason: string) => `event: end\ndata: {"reason":"${reason}"}\n\n`

async function collect<T>(events: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const event of events) all.push(event)
  return all
}

describe('a stream', () => {
  it('goes on behind the last event after a break, and ends when all is sent', async () => {
    const texts = [
      { text: `retry: 700\n\n${eventOf('1', { n: 'ä' })}: here\n\n${eventOf('2', 2)}id: 3\nevent: exec`, isCut: true },
      { text: `: here\nid: 4\n\n${end('token-expired')}` },
      { text: `${eventOf('5', 5)}${end('complete')}` },
    ]
    const { url, seen, waits, clock } = await openWorld((_seen, nth) => ({ headers: stream, ...texts[nth - 1] }))
    const client = createClient({ url, token: 't', clock })
    expect(await collect(client.stream('/events?scope=own', { lastEventId: '0' }))).toEqual([
      { id: '1', event: 'execution', data: { n: 'ä' } },
      { id: '2', event: 'execution', data: 2 },
      { id: '5', event: 'execution', data: 5 },
    ])
    expect(seen.map(({ headers }) => headers['last-event-id'])).toEqual(['0', '2', '4'])
    expect(seen[0]).toMatchObject({ url: '/events?scope=own', headers: { accept: 'text/event-stream' } })
    expect(waits).toEqual([700, 700])
  })

  it('ends with the refusal of a connection', async () => {
    const { url, clock } = await openWorld(() => problem(403, 'forbidden'))
    await expect(collect(createClient({ url, clock }).stream('/events'))).rejects.toMatchObject({ code: 'forbidden' })
  })

  it('gives up after a number of connections in a row without an event', async () => {
    const { url, seen, clock } = await openWorld(() => ({ headers: stream, text: ': here\n\n' }))
    const client = createClient({ url, clock, retry: { maxRetries: 2 } })
    await expect(collect(client.stream('/events'))).rejects.toBeInstanceOf(NoAnswerError)
    expect(seen).toHaveLength(3)
  })

  it('stops when its reader stops', async () => {
    const { url, seen, clock } = await openWorld(() => ({ headers: stream, text: eventOf('1', 1), isCut: true }))
    for await (const event of createClient({ url, clock }).stream('/events')) {
      expect(event.id).toBe('1')
      break
    }
    expect(seen).toHaveLength(1)
  })
})
