import { type Refusal, refusal } from '@belfry/contracts'
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
    async storeAnswer(id, answer) {
      records.set(id, { ...(records.get(id) as RequestRecord), answer })
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
  const start = (instance: string, otherTryMs?: number) => {
    const { app, deps } = instance === 'a' ? world : makeWorld({ tokens: world.tokens })
    worlds.push({ app })
    const withIdempotency = createIdempotency({
      store,
      clock: world.clock,
      ids: deps.ids,
      instance,
      ...(otherTryMs === undefined ? {} : { otherTryMs }),
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
