import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import { readConsulUrl } from '../../src/registry/consul/address.ts'
import { readEntry } from '../../src/registry/consul/entries.ts'
import { createView, nextIndex } from '../../src/registry/consul/view.ts'

const service = 'job-service'
const entry = (id: string, status = 'passing', more: object = {}) => ({
  Service: { ID: id, Address: '127.0.0.1', Port: 4001, Meta: null, ...more },
  Checks: [{ Status: 'passing' }, { Status: status }],
})

/** A view on a Consul whose answers the test gives, one for each query. */
function open() {
  const clock = createManualClock()
  const shown: string[][] = []
  const queries: { index: number | null; answer: (index: number, entries: unknown[]) => void; fail: () => void }[] = []
  const view = createView({
    name: 'belfry-job-service',
    clock,
    random: () => 0,
    client: {
      list: (_name, index) =>
        new Promise((resolve, reject) =>
          queries.push({
            index,
            answer: (next, entries) => resolve({ index: next, entries }),
            fail: () => reject(new Error('No cluster leader')),
          }),
        ),
    },
    read: (entries) => entries.map((raw) => readEntry(service, raw)).filter((one) => one !== undefined),
    onChange: (list) => shown.push(list.map(({ id }) => id)),
    onAnswer: () => undefined,
    onError: () => undefined,
  })
  const query = async () => {
    await clock.advance(1_000)
    const next = queries.shift()
    if (!next) throw new Error('no query is at work')
    return next
  }
  const settled = () => clock.advance(0)
  return { clock, view, shown, queries, query, settled }
}

describe('the view of a service in Consul', () => {
  it('holds the instances whose checks all pass, in the order of their ids', async () => {
    const { view, shown, query } = open()
    const started = view.start()
    const first = await query()
    expect(first.index).toBeNull()
    first.answer(7, [entry('b'), entry('a'), entry('c', 'critical'), entry('d', 'warning'), { Service: null }, null])
    await started
    expect(shown).toEqual([['a', 'b']])
    expect((await query()).index).toBe(7)
  })

  it('keeps the last good list while Consul fails, and takes the next one after its return', async () => {
    const { clock, view, shown, query } = open()
    void view.start()
    ;(await query()).answer(7, [entry('a'), entry('b')])
    for (let tries = 0; tries < 5; tries++) (await query()).fail()
    expect(view.isCurrent()).toBe(false)
    await clock.advance(60_000)
    expect(shown).toEqual([['a', 'b']])
    ;(await query()).answer(9, [entry('a'), entry('b'), entry('c')])
    await clock.advance(0)
    expect(view.isCurrent()).toBe(true)
    expect(shown.at(-1)).toEqual(['a', 'b', 'c'])
  })

  it('gives instances five seconds to pass again after an outage, and then believes the list', async () => {
    const { clock, view, shown, query, settled } = open()
    void view.start()
    ;(await query()).answer(7, [entry('a'), entry('b')])
    ;(await query()).fail()
    // Consul has restarted: all checks are critical until the next one.
    ;(await query()).answer(8, [entry('a', 'critical'), entry('b', 'critical')])
    await settled()
    expect(shown).toEqual([['a', 'b']])
    ;(await query()).answer(9, [entry('a'), entry('b', 'critical')])
    await clock.advance(3_000)
    expect(shown).toEqual([['a', 'b']])
    await clock.advance(2_000)
    expect(shown.at(-1)).toEqual(['a'])
  })

  it('gives them the same time when the index goes back, because Consul lost its data', async () => {
    const { clock, view, shown, query, settled } = open()
    void view.start()
    ;(await query()).answer(70, [entry('a'), entry('b')])
    ;(await query()).answer(3, [])
    const next = await query()
    expect(next.index).toBeNull()
    next.answer(4, [entry('a')])
    await settled()
    expect(shown).toEqual([['a', 'b']])
    await clock.advance(5_000)
    expect(shown.at(-1)).toEqual(['a'])
  })

  it('does not let that time end during a further outage', async () => {
    const { clock, view, shown, query } = open()
    void view.start()
    ;(await query()).answer(7, [entry('a')])
    ;(await query()).fail()
    ;(await query()).answer(8, [])
    ;(await query()).fail()
    await clock.advance(60_000)
    expect(shown).toEqual([['a']])
  })

  it('takes an empty list at once while Consul works: there is no instance', async () => {
    const { view, shown, query, settled } = open()
    void view.start()
    ;(await query()).answer(7, [entry('a')])
    ;(await query()).answer(8, [])
    await settled()
    expect(shown).toEqual([['a'], []])
  })

  it('asks at most once a second when Consul gives no index to wait on', async () => {
    const { clock, view, queries } = open()
    void view.start()
    let asked = 0
    for (let ms = 0; ms < 10_000; ms += 100) {
      await clock.advance(100)
      for (const one of queries.splice(0)) {
        asked += 1
        one.answer(0, [entry('a')])
      }
    }
    expect(asked).toBeLessThanOrEqual(11)
  })

  it('goes on with the instances that are still registered when no check passes', async () => {
    const { view, shown, query, settled } = open()
    void view.start()
    ;(await query()).answer(7, [entry('a'), entry('b')])
    ;(await query()).answer(8, [entry('a', 'critical'), entry('b', 'critical'), entry('c', 'critical')])
    await settled()
    expect(shown).toEqual([['a', 'b']])
    // One that deregisters goes, and as soon as a check passes again the others go as well.
    ;(await query()).answer(9, [entry('b', 'critical'), entry('c', 'critical')])
    await settled()
    expect(shown.at(-1)).toEqual(['b'])
    ;(await query()).answer(10, [entry('b', 'critical'), entry('c')])
    await settled()
    expect(shown.at(-1)).toEqual(['c'])
  })

  it('asks at most ten times a second when a check flaps', async () => {
    const { clock, view, queries } = open()
    void view.start()
    let asked = 0
    for (let ms = 0; ms < 1_000; ms += 5) {
      await clock.advance(5)
      for (const one of queries.splice(0)) {
        asked += 1
        one.answer(asked, [entry('a', asked % 2 ? 'passing' : 'critical')])
      }
    }
    expect(asked).toBeLessThanOrEqual(11)
    expect(asked).toBeGreaterThan(5)
  })

  it('asks nothing after its stop', async () => {
    const { clock, view, shown, queries, query } = open()
    void view.start()
    const last = await query()
    view.stop()
    last.answer(7, [entry('a')])
    await clock.advance(10_000)
    expect([queries, shown]).toEqual([[], []])
  })
})

describe('the index of the next query', () => {
  it.each([
    ['goes on from the answer', null, 7, 7],
    ['stays when nothing changed', 7, 7, 7],
    ['begins again when it goes back', 7, 3, null],
    ['begins again at 0, which would not block', null, 0, null],
  ])('%s', (_, last, answered, next) => expect(nextIndex(last, answered)).toBe(next))
})

describe('an entry of Consul', () => {
  it('is read with its address, whether it passes, and its signature', () => {
    const raw = entry('a', 'passing', { Address: 'fe80::1%eth0', Meta: { signature: 's' } })
    const instance = { service, id: 'a', host: 'fe80::1%eth0', port: 4001 }
    expect(readEntry(service, raw)).toEqual({ instance, isPassing: true, signature: 's' })
    expect(readEntry(service, { ...raw, Checks: null })).toMatchObject({ isPassing: false })
    expect(readEntry(service, { ...raw, Checks: [null] })).toMatchObject({ isPassing: false })
  })

  it.each([
    null,
    7,
    'text',
    [],
    {},
    { Service: 7 },
    entry(''),
    entry('a'.repeat(301)),
    entry('a', 'passing', { ID: 7 }),
    entry('a', 'passing', { Address: '' }),
    entry('a', 'passing', { Address: 'a b' }),
    entry('a', 'passing', { Address: 'user@evil' }),
    entry('a', 'passing', { Address: 'evil/path' }),
    entry('a', 'passing', { Address: 'evil#' }),
    entry('a', 'passing', { Address: 'evil:80/' }),
    entry('a', 'passing', { Address: { toString: 'x' } }),
    entry('a', 'passing', { Port: 0 }),
    entry('a', 'passing', { Port: 65_536 }),
    entry('a', 'passing', { Port: '80' }),
    entry('a', 'passing', { Port: 80.5 }),
  ])('is not read when it is none: %j', (raw) => expect(readEntry(service, raw)).toBeUndefined())
})

describe('the address of Consul', () => {
  it.each([
    ['consul://127.0.0.1:8500', { host: '127.0.0.1', port: 8500, prefix: 'belfry' }],
    ['consul://consul', { host: 'consul', port: 8500, prefix: 'belfry' }],
    ['consul://consul:18500/test-1/', { host: 'consul', port: 18500, prefix: 'test-1' }],
    ['consul://[::1]:8500/a', { host: '[::1]', port: 8500, prefix: 'a' }],
  ])('%s', (text, address) => expect(readConsulUrl(text)).toEqual(address))

  it.each([
    'consul:',
    'consul://',
    'http://consul:8500',
    'consul://user:secret@consul',
    'consul://consul/a/b',
    'consul://consul/Prefix',
    'consul://consul/-a',
    'consul://consul?x=1',
    `consul://consul/${'a'.repeat(41)}`,
  ])('%s is refused without being quoted', (text) => {
    expect(() => readConsulUrl(text)).toThrow(TypeError)
    expect(() => readConsulUrl(text)).not.toThrow(/secret/)
  })
})
