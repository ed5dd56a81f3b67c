import { describe, expect, it } from 'vitest'
import { command, executionId, start } from '../samples.ts'
import { openWorld, type World } from '../world.ts'

const url = `/executions/${executionId()}/logs?follow=true`

/** The ids of the lines, and what the stream ended with. */
function read(body: string) {
  const blocks = body.split('\n\n')
  const ids = blocks.flatMap((block) => /^id: (\S+)\nevent: line/.exec(block)?.[1] ?? [])
  const end = /event: end\ndata: (.*)/.exec(body)?.[1]
  return { ids, end: end === undefined ? null : JSON.parse(end) }
}

/** An execution whose two attempts log two lines each; the first one fails. */
const talking = () =>
  openWorld({
    run: ({ context }) => {
      for (const line of [1, 2]) context.log('info', `attempt ${context.epoch}, line ${line}`)
      if (context.epoch === 1) throw new Error('again')
    },
  })

const follow = async (world: World, query = '', headers = {}) => {
  const answer = world.get(url + query, undefined, headers)
  await world.pass(10_000, 250)
  return read((await answer).body)
}

describe('a log that is followed', () => {
  it('sends the lines of all attempts as they come, and ends with the execution', async () => {
    const world = await talking()
    await world.command(command({ fireAt: start }))
    expect(await follow(world)).toEqual({
      ids: ['1.1', '1.2', '2.1', '2.2'],
      end: { reason: 'complete', status: 'SUCCESS' },
    })
  })

  it('goes on after the last line that a client has, and misses and repeats none', async () => {
    const world = await talking()
    await world.command(command({ fireAt: start }))
    expect((await follow(world, '', { 'last-event-id': '1.1' })).ids).toEqual(['1.2', '2.1', '2.2'])
    expect((await follow(world, '', { 'last-event-id': '2.2' })).ids).toEqual([])
  })

  it('ends with the attempt that was asked for', async () => {
    const world = await talking()
    await world.command(command({ fireAt: start }))
    expect((await follow(world, '&attempt=1')).ids).toEqual(['1.1', '1.2'])
  })

  it('is not there for others, and refuses an id that it did not give', async () => {
    const world = await talking()
    await world.command(command({ fireAt: start }))
    expect((await world.get(url, 'usr-2')).statusCode).toBe(404)
    const refused = await world.get(url, undefined, { 'last-event-id': 'x' })
    expect(refused.json()).toMatchObject({ status: 400, errors: [{ pointer: 'Last-Event-ID' }] })
  })
})

describe('a log of a job that is shared with the caller no more', () => {
  it('ends its stream before further lines are sent', async () => {
    let seesDetails = true
    const world = await openWorld({
      run: ({ context }) => context.log('info', 'at work'),
      reachOf: () => ({
        status: 200,
        headers: {},
        body: { sees: seesDetails, seesDetails, mayOperate: false, mayChange: false },
      }),
    })
    await world.command(command({ fireAt: start + 8_000 }))
    const answer = world.get(url, 'usr-2')
    await world.pass(1_000, 250)
    seesDetails = false
    await world.pass(12_000, 250)
    expect(read((await answer).body)).toEqual({ ids: [], end: { reason: 'unavailable' } })
  })
})

describe('a log that cannot be read any more', () => {
  it('ends its stream, so that the client comes again', async () => {
    const fails = { now: false }
    const world = await openWorld({
      run: ({ context }) => context.log('info', 'at work'),
      wrapStores: (stores) => ({
        ...stores,
        logs: {
          ...stores.logs,
          list: (...asked) => (fails.now ? Promise.reject(new Error('no store')) : stores.logs.list(...asked)),
        },
      }),
    })
    await world.command(command({ fireAt: start }))
    await world.pass(2_000, 250)
    fails.now = true
    expect((await follow(world)).end).toEqual({ reason: 'unavailable' })
  })
})
