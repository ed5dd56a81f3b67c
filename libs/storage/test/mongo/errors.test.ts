import { createMetrics } from '@belfry/service'
import mongoose, { type Model } from 'mongoose'
import { describe, expect, it } from 'vitest'
import { createBatches } from '../../src/mongo/batches.ts'
import { createCalls } from '../../src/mongo/calls.ts'
import type { MongoRecord } from '../../src/mongo/collection-port.ts'
import { asStorageError } from '../../src/mongo/errors.ts'

const { MongoServerError, MongoBulkWriteError } = mongoose.mongo

describe('an error of the server', () => {
  it.each([
    ['another server that cannot be reached', 6],
    ['another server that has no address', 7],
    ['a time-out between servers', 89],
    ['a connection between servers that broke', 9001],
    ['a cursor that went with its server', 43],
    ['an operation that was ended on request', 11_601],
    ['a stop', 11_600],
  ])('that says %s is transient: a write is unknown', (_, code) => {
    const error = new MongoServerError({ message: 'x', code })
    expect([asStorageError(error, 'write').code, asStorageError(error, 'read').code]).toEqual([
      'outcome-unknown',
      'unavailable',
    ])
  })

  it.each([
    ['is no primary', 10_107],
    ['recovers', 13_436],
    ['has no commit point yet', 134],
    ['finds no primary', 133],
  ])('that %s is transient: nothing was done', (_, code) => {
    const error = new MongoServerError({ message: 'x', code })
    expect([asStorageError(error, 'write').code, asStorageError(error, 'read').code]).toEqual([
      'unavailable',
      'unavailable',
    ])
  })
})

/** A collection whose first command ends with this error, and all others well. */
function failingOnce(error: unknown) {
  let commands = 0
  const bulkWrite = async () => {
    commands += 1
    if (commands === 1) throw error
    return { matchedCount: 1, deletedCount: 0 }
  }
  const model = { collection: { bulkWrite } } as unknown as Model<MongoRecord>
  const calls = createCalls({ metrics: createMetrics().forService('test') })
  const { insertManyIfAbsent } = createBatches<MongoRecord>(
    () => model,
    calls,
    async () => [],
  )
  return { insert: () => insertManyIfAbsent('test.insert', [{ _id: 'a' }]), commands: () => commands }
}

const bulkError = (code: number, writeConcernError?: object) =>
  new MongoBulkWriteError(
    { message: 'x', code, writeErrors: [{ index: 0, code, errmsg: 'x' }] } as never,
    {
      insertedCount: 0,
      matchedCount: 0,
      modifiedCount: 0,
      deletedCount: 0,
      getWriteConcernError: () => writeConcernError,
    } as never,
  )

describe('a batch', () => {
  it('fails with disk-full when that is what one operation says', async () => {
    const { insert } = failingOnce(bulkError(14_031))
    await expect(insert()).rejects.toMatchObject({ code: 'disk-full' })
  })

  it('is sent again when the server stopped at one operation', async () => {
    const { insert, commands } = failingOnce(bulkError(11_600))
    expect(await insert()).toEqual([true])
    expect(commands()).toBe(2)
  })

  it('is sent again when an `_id` is taken and no majority has confirmed that', async () => {
    const { insert, commands } = failingOnce(bulkError(11_000, { code: 64, errmsg: 'no majority' }))
    expect(await insert()).toEqual([true])
    expect(commands()).toBe(2)
  })
})
