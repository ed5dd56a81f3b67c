import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock } from '@belfry/service'
import { afterEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { type Answer, createIdempotency, type RequestRecord, type RequestStore } from '../src/index.ts'
import { makeWorld } from './world.ts'

const worlds: { app: { close(): Promise<void> } }[] = []
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.app.close()
})

/** Records in memory, with the contract's steps. */
function createMemoryRequests(): RequestStore & { records: Map<string, RequestRecord> } {
  const records = new Map<string, RequestRecord>()
  return {
    records,
    async insert(record, keptSince) {
      const found = records.get(record.id)
      if (found && found.madeAt >= keptSince) return found
      records.set(record.id, record)
      return undefined
    },
    async retake(found, triedBy, triedAt) {
      const now = records.get(found.id)
      if (!now || now.answer || now.triedBy !== found.triedBy || now.triedAt !== found.triedAt) return false
      records.set(found.id, { ...now, triedBy, triedAt })
      return true
    },
    find: async (id) => records.get(id),
    async storeAnswer({ id, triedBy, triedAt }, answer) {
      const now = records.get(id)
      if (!now || now.answer || now.triedBy !== triedBy || now.triedAt !== triedAt) return false
      records.set(id, { ...now, answer })
      return true
    },
    async removeIfUntouched({ id, triedBy, triedAt }) {
      const now = records.get(id)
      if (now && !now.answer && now.triedBy === triedBy && now.triedAt === triedAt) records.delete(id)
    },
  }
}

type UseCase = (mintedId: string, body: { name: string }) => Promise<Answer | Refusal>

function open() {
  const store = createMemoryRequests()
  const made: string[] = []
  const state: { useCase: UseCase } = {
    async useCase(id, { name }) {
      if (!made.includes(id)) made.push(id)
      return { status: 201, headers: { location: `/things/${id}` }, body: { id, name } }
    },
  }
  const world = makeWorld()
  const start = (instance: string, otherTryMs?: number, clock: Clock = world.clock, sightingsLimit?: number) => {
    const { app, deps } = instance === 'a' ? world : makeWorld({ tokens: world.tokens })
    worlds.push({ app })
    const withIdempotency = createIdempotency({
      store,
      clock,
      ids: deps.ids,
      instance,
      ...(otherTryMs === undefined ? {} : { otherTryMs }),
      ...(sightingsLimit === undefined ? {} : { sightingsLimit }),
    })
    const schema = {
      body: z.strictObject({ name: z.string() }),
      response: { 201: z.object({ id: z.string(), name: z.string() }) },
    }
    app.post('/things', { schema, config: { access: 'user' } }, (request, reply) =>
      withIdempotency(request, reply, (id) => state.useCase(id, request.body)),
    )
    return (key: string | undefined, body: object = { name: 'one' }, headers = world.bearer('user')) =>
      app.inject({
        method: 'POST',
        url: '/things?',
        payload: body,
        headers: { ...headers, ...(key === undefined ? {} : { 'idempotency-key': key }) },
      })
  }
  return { ...world, store, made, state, start, post: start('a') }
}

describe('a request with an Idempotency-Key', () => {
  it('gets the same answer again, and does its work once', async () => {
    const { post, made } = open()
    const first = await post('k')
    const second = await post('k')
    expect(first.statusCode).toBe(201)
    expect(first.headers['idempotency-replayed']).toBeUndefined()
    expect([second.statusCode, second.body, second.headers.location]).toEqual([201, first.body, first.headers.location])
    expect(second.headers['idempotency-replayed']).toBe('true')
    expect(second.headers['content-type']).toBe(first.headers['content-type'])
    expect(made).toHaveLength(1)
  })

  it('whose answer is open runs again with the same id, at once and in any process, until one is not', async () => {
    const { post, start, state, store } = open()
    const other = start('b')
    const ids: string[] = []
    const answers = [true, true, false]
    state.useCase = async (id, { name }) => {
      ids.push(id)
      return { status: 201, body: { id, name }, isOpen: answers[ids.length - 1] ?? false }
    }
    for (const call of [post, other, post]) expect((await call('k')).statusCode).toBe(201)
    expect([ids.length, new Set(ids).size, [...store.records.values()].map(({ answer }) => answer?.status)]).toEqual([
      3,
      1,
      [201],
    ])
    expect((await other('k')).headers['idempotency-replayed']).toBe('true')
    expect(ids).toHaveLength(3)
  })

  it('is another one for another key, another user, or no key', async () => {
    const { post, made, key, clock } = open()
    const { claimsOf, signToken } = await import('./world.ts')
    const other = signToken({ alg: 'EdDSA', kid: key.kid }, claimsOf(clock, ['user'], { sub: 'usr-2' }), key.privateKey)
    await post('k')
    await post('l')
    await post('k', { name: 'one' }, { authorization: `Bearer ${other}` })
    await post(undefined)
    await post(undefined)
    expect(made).toHaveLength(5)
  })

  it('with another body is 422', async () => {
    const { post, made } = open()
    await post('k')
    const second = await post('k', { name: 'two' })
    expect([second.statusCode, second.json().code]).toEqual([422, 'idempotency-key-reused'])
    expect(made).toHaveLength(1)
  })

  it('while the first is at work is 409 with Retry-After', async () => {
    const { post, state } = open()
    const usual = state.useCase
    const gate = Promise.withResolvers<void>()
    const began = Promise.withResolvers<void>()
    state.useCase = async (id, body) => {
      began.resolve()
      await gate.promise
      return usual(id, body)
    }
    const first = post('k')
    await Promise.all([began.promise, first.then.length])
    const second = await post('k')
    expect([second.statusCode, second.json().code, second.headers['retry-after']]).toEqual([
      409,
      'request-in-flight',
      '1',
    ])
    gate.resolve()
    expect((await first).statusCode).toBe(201)
    expect((await post('k')).headers['idempotency-replayed']).toBe('true')
  })

  it('keeps its id when a later try is refused: an earlier one may have done the work', async () => {
    const { post, state, made } = open()
    const usual = state.useCase
    state.useCase = async (id, body) => {
      await usual(id, body)
      throw new Error('died before the answer was kept')
    }
    expect((await post('k')).statusCode).toBe(500)
    state.useCase = async () => refusal('unavailable', 'not just now')
    expect((await post('k')).statusCode).toBe(503)
    state.useCase = usual
    expect((await post('k')).json().id).toBe(made[0])
    expect(made).toHaveLength(1)
  })

  it('runs again with the same id when the first try failed', async () => {
    const { post, state, made } = open()
    const usual = state.useCase
    state.useCase = async (id, body) => {
      await usual(id, body)
      throw new Error('died before the answer was kept')
    }
    expect((await post('k')).statusCode).toBe(500)
    state.useCase = usual
    expect((await post('k')).json().id).toBe(made[0])
    expect(made).toHaveLength(1)
  })

  it('of a process that died runs again with the same id once its try is old, and not before', async () => {
    const { post, start, state, clock, made } = open()
    const usual = state.useCase
    state.useCase = async (id, body) => {
      await usual(id, body)
      throw new Error('the process is killed here')
    }
    await post('k')
    state.useCase = usual
    const other = start('b')
    expect((await other('k')).statusCode).toBe(409)
    await clock.advance(15_000)
    const again = await other('k')
    expect([again.statusCode, again.json().id]).toEqual([201, made[0]])
    expect(made).toHaveLength(1)
  })

  it('runs again at once where no other process can be alive', async () => {
    const { post, start, state, made } = open()
    const usual = state.useCase
    state.useCase = () => Promise.reject(new Error('the process is killed here'))
    await post('k')
    state.useCase = usual
    expect((await start('b', 0)('k')).statusCode).toBe(201)
    expect(made).toHaveLength(1)
  })

  it('that is refused leaves its key free', async () => {
    const { post, state, store, made } = open()
    const usual = state.useCase
    state.useCase = async () => refusal('unavailable', 'Not now.')
    expect((await post('k')).statusCode).toBe(503)
    expect(store.records.size).toBe(0)
    state.useCase = usual
    expect((await post('k', { name: 'two' })).statusCode).toBe(201)
    expect(made).toHaveLength(1)
  })

  it('is forgotten after 24 h', async () => {
    const { post, clock, made, bearer } = open()
    await post('k')
    await clock.advance(86_400_001)
    expect((await post('k', { name: 'two' }, bearer('user'))).statusCode).toBe(201)
    expect(made).toHaveLength(2)
  })

  it.each(['', ' ', 'a b', 'x'.repeat(256), 'ключ'])('that is %j is 400', async (key) => {
    const { post, made } = open()
    const answer = await post(key)
    expect([answer.statusCode, answer.json().errors[0].pointer]).toEqual([400, 'Idempotency-Key'])
    expect(made).toHaveLength(0)
  })
})

/** A gate that a use case waits at. */
function createGate() {
  const began = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<void>()
  const wait = () => {
    began.resolve()
    return opened.promise
  }
  return { began: began.promise, open: opened.resolve, wait }
}

describe('a request with an Idempotency-Key that several processes get', () => {
  /** A clock that shows another wall time. */
  const skewed = (clock: Clock, byMs: number): Clock => ({ ...clock, now: () => clock.now() + byMs })

  it.each([-3_600_000, 3_600_000])(
    'is left to a process whose clock differs by %i ms while its try may be alive',
    async (byMs) => {
      const { post, start, state, made, clock } = open()
      const usual = state.useCase
      const gate = createGate()
      state.useCase = async (id, body) => {
        await gate.wait()
        return usual(id, body)
      }
      const first = post('k')
      await Promise.all([gate.began, first.then.length])
      const other = start('b', undefined, skewed(clock, byMs))
      const answers = [await other('k')]
      await clock.advance(14_000)
      answers.push(await other('k'))
      expect(answers.map((one) => [one.statusCode, one.headers['retry-after']])).toEqual([
        [409, '1'],
        [409, '1'],
      ])
      gate.open()
      expect((await first).statusCode).toBe(201)
      expect((await other('k')).headers['idempotency-replayed']).toBe('true')
      expect(made).toHaveLength(1)
    },
  )

  it('is seen anew when another try of it has begun', async () => {
    const { post, start, state, store, clock } = open()
    const usual = state.useCase
    state.useCase = () => Promise.reject(new Error('the process is killed here'))
    await post('k')
    const other = start('b')
    expect((await other('k')).statusCode).toBe(409)
    await clock.advance(14_000)
    await post('k')
    await clock.advance(2_000)
    state.useCase = usual
    expect((await other('k')).statusCode).toBe(409)
    await clock.advance(15_000)
    expect((await other('k')).statusCode).toBe(201)
    expect([...store.records.values()].map((one) => one.triedBy)).toEqual(['b'])
  })

  it('is answered with the stored answer by a process that was taken for dead and goes on', async () => {
    const { post, start, state, store, made, clock } = open()
    const usual = state.useCase
    const gate = createGate()
    state.useCase = async (id, body) => {
      await gate.wait()
      await usual(id, body)
      return { status: 201, body: { id, name: 'an answer that is not stored' } }
    }
    const first = post('k')
    await Promise.all([gate.began, first.then.length])
    state.useCase = usual
    const other = start('b')
    await other('k')
    await clock.advance(15_000)
    const second = await other('k')
    expect(second.statusCode).toBe(201)
    gate.open()
    const late = await first
    expect([late.statusCode, late.body, late.headers['idempotency-replayed']]).toEqual([201, second.body, 'true'])
    expect(made).toHaveLength(1)
    expect([...store.records.values()].map((one) => one.answer?.body)).toEqual([second.body])
  })

  it('is in flight for a process that was taken for dead while the other one is at work', async () => {
    const { post, start, state, made, clock } = open()
    const usual = state.useCase
    const [gateA, gateB] = [createGate(), createGate()]
    const gates = [gateA, gateB]
    state.useCase = async (id, body) => {
      await gates.shift()?.wait()
      return usual(id, body)
    }
    const first = post('k')
    await Promise.all([gateA.began, first.then.length])
    const other = start('b')
    await other('k')
    await clock.advance(15_000)
    const second = other('k')
    await Promise.all([gateB.began, second.then.length])
    gateA.open()
    const late = await first
    expect([late.statusCode, late.json().code]).toEqual([409, 'request-in-flight'])
    gateB.open()
    expect((await second).statusCode).toBe(201)
    expect(made).toHaveLength(1)
  })

  it('is seen anew when too many others were seen since', async () => {
    const { post, start, state, clock } = open()
    const usual = state.useCase
    state.useCase = () => Promise.reject(new Error('the process is killed here'))
    for (const key of ['k', 'l', 'm']) await post(key)
    const other = start('b', undefined, undefined, 2)
    for (const key of ['k', 'l', 'm']) await other(key)
    await clock.advance(15_000)
    state.useCase = usual
    expect((await other('k')).statusCode).toBe(409)
    expect((await other('m')).statusCode).toBe(201)
  })

  it('in one moment has tries of different names', async () => {
    const { post, state, store } = open()
    const seen: number[] = []
    state.useCase = async () => {
      seen.push(...[...store.records.values()].map((one) => one.triedAt))
      throw new Error('it breaks off')
    }
    for (let n = 0; n < 3; n += 1) await post('k')
    expect(new Set(seen).size).toBe(3)
  })
})

describe('a request with an Idempotency-Key whose store fails', () => {
  /** As an adapter rejects; libs/http knows adapters by the names of their errors. */
  const storeError = (code: string) => Object.assign(new Error(code), { name: 'StorageError', code })

  /** Lets the next call of the verb fail: before its work, or after it as a lost answer. */
  function failNext(store: RequestStore, verb: keyof RequestStore, code: string, isStored: boolean): void {
    const methods = store as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>
    const method = methods[verb] as (...args: unknown[]) => Promise<unknown>
    methods[verb] = async (...args) => {
      methods[verb] = method
      if (isStored) await method(...args)
      throw storeError(code)
    }
  }

  it.each([
    ['insert', 'unavailable', false],
    ['insert', 'outcome-unknown', false],
    ['insert', 'outcome-unknown', true],
    ['storeAnswer', 'unavailable', false],
    ['storeAnswer', 'outcome-unknown', false],
    ['storeAnswer', 'outcome-unknown', true],
  ] as const)(
    'at %s (%s, stored: %s) is 503, and does its work once when it is sent again',
    async (verb, code, isStored) => {
      const { post, store, made } = open()
      failNext(store, verb, code, isStored)
      const failed = await post('k')
      expect([failed.statusCode, failed.json().code, failed.json().retryable]).toEqual([503, 'unavailable', true])
      expect((await post('k')).statusCode).toBe(201)
      expect((await post('k')).headers['idempotency-replayed']).toBe('true')
      expect(made).toHaveLength(1)
    },
  )

  it.each([
    ['unavailable', false],
    ['outcome-unknown', true],
  ] as const)('while it takes over an open try (%s, stored: %s) can be sent again', async (code, isStored) => {
    const { post, store, made } = open()
    failNext(store, 'storeAnswer', 'unavailable', false)
    await post('k')
    failNext(store, 'retake', code, isStored)
    expect((await post('k')).statusCode).toBe(503)
    expect((await post('k')).statusCode).toBe(201)
    expect(made).toHaveLength(1)
  })

  it('never loses a later try to a removal that takes effect late', async () => {
    const { post, store, state, made, clock } = open()
    const usual = state.useCase
    const remove = store.removeIfUntouched
    let late: () => Promise<void> = async () => undefined
    store.removeIfUntouched = async (tried) => {
      late = () => remove(tried)
      throw storeError('outcome-unknown')
    }
    state.useCase = async () => refusal('unavailable', 'Not now.')
    expect((await post('k')).statusCode).toBe(503)
    state.useCase = usual
    await clock.advance(1)
    expect((await post('k')).statusCode).toBe(201)
    await late()
    expect((await post('k')).headers['idempotency-replayed']).toBe('true')
    expect(made).toHaveLength(1)
  })
})
