import { changeNumberMaxAgeMs } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { StorageError } from '@belfry/storage'
import { describe, expect, it, vi } from 'vitest'
import { createChangeNumbers } from '../../src/store/mongo/change-numbers.ts'
import { newRecord } from '../../src/store/mongo/execution-record.ts'
import { execution, executionId, start } from '../samples.ts'
import { mongoUrl, openRecords } from './mongo-stores.ts'

describe.skipIf(mongoUrl === undefined)('change numbers in MongoDB', () => {
  async function open() {
    const { db, records } = await openRecords()
    const clock = createManualClock(start)
    return { clock, records, numbers: createChangeNumbers(db, records, clock) }
  }

  it.each([
    [changeNumberMaxAgeMs, [1, 2]],
    [changeNumberMaxAgeMs + 1, [3, 4]],
  ])('are given once more to what took longer than a number may be old (%i ms)', async (tookMs, expected) => {
    const { clock, records, numbers } = await open()
    const write = async (first: number) => {
      const made = [1, 2].map((number, index) =>
        newRecord(execution({ id: executionId(number) }), { paramsId: null, paramsSize: null }, start, first + index),
      )
      await records.insertManyIfAbsent('test', made)
      await clock.advance(tookMs)
      return made.map(({ _id }) => _id)
    }
    await numbers.give(2, write, (ids) => ids)
    const stored = await records.find('test', {}, { sort: { _id: 1 } })
    expect(stored.map(({ changeNo }) => changeNo)).toEqual(expected)
    expect(await numbers.newest()).toBe(expected[1])
  })

  it('fail with outcome-unknown after a write that took too long, because it is stored', async () => {
    const { db, records } = await openRecords()
    const clock = createManualClock(start)
    const nextNumbers = vi
      .fn(db.nextNumbers)
      .mockResolvedValueOnce(1)
      .mockRejectedValueOnce(new StorageError('unavailable', 'no primary'))
    const numbers = createChangeNumbers({ ...db, nextNumbers }, records, clock)
    const writing = numbers.give(
      1,
      () => clock.advance(changeNumberMaxAgeMs + 1),
      () => [executionId()],
    )
    await expect(writing).rejects.toMatchObject({ code: 'outcome-unknown' })
  })

  it('leave a record alone that has changed since', async () => {
    const { clock, records, numbers } = await open()
    const write = async (first: number) => {
      await records.insertManyIfAbsent('test', [
        newRecord(execution(), { paramsId: null, paramsSize: null }, start, first + 7),
      ])
      await clock.advance(changeNumberMaxAgeMs + 1)
    }
    await numbers.give(1, write, () => [executionId()])
    expect((await records.find('test', {})).map(({ changeNo }) => changeNo)).toEqual([8])
  })
})
