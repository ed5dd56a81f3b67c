import { beforeEach, describe, expect, it } from 'vitest'
import type { Stores } from '../../../src/store/ports.ts'
import { execution, executionId, start } from '../../samples.ts'
import type { StoreKit } from './kit.ts'

/** Logs and artifacts of attempts. */
export function describeOutput({ stores: open, put }: StoreKit): void {
  let stores: Stores

  beforeEach(() => {
    stores = open()
  })

  describe('logs', () => {
    const line = (seq: number) => ({ seq, at: start + seq, level: 'info' as const, text: `line ${seq}` })
    const opened = async () => {
      const [one, two] = await put(execution(), execution({ id: executionId(2) }))
      const read = async (epoch: number | null, after: [number, number], limit = 10) => {
        const query = { after: { epoch: after[0], seq: after[1] }, epoch, limit }
        const lines = await stores.logs.list(one!.rowId, query)
        return lines.map((line) => `${line.epoch}.${line.seq}`)
      }
      return { rowId: one!.rowId, other: two!.rowId, read }
    }

    it('take the same lines again, and more with them, without a line twice', async () => {
      const { rowId, read } = await opened()
      const chunk = (...seqs: number[]) => ({ rowId, epoch: 1, lines: seqs.map(line) })
      await stores.logs.append([chunk(1, 2)])
      for (const again of [chunk(1, 2), chunk(1), chunk(1, 2, 3), chunk(1, 2)]) await stores.logs.append([again])
      await stores.logs.append([chunk(4), chunk(5, 6)])
      await stores.logs.append([chunk(4)])
      expect(await read(null, [0, 0])).toEqual([1, 2, 3, 4, 5, 6].map((seq) => `1.${seq}`))
      for (let seq = 0; seq < 6; seq++) expect(await read(null, [1, seq], 1)).toEqual([`1.${seq + 1}`])
      expect(await read(null, [1, 2], 3)).toEqual(['1.3', '1.4', '1.5'])
    })

    it('come back line by line, in order of attempt and line, in pages and by attempt', async () => {
      const { rowId, other, read } = await opened()
      await stores.logs.append([
        { rowId, epoch: 1, lines: [line(1), line(2)] },
        { rowId, epoch: 2, lines: [line(1), line(2), line(3)] },
        { rowId: other, epoch: 1, lines: [line(1)] },
      ])
      await stores.logs.append([{ rowId, epoch: 1, lines: [line(3)] }])
      expect(await read(null, [0, 0])).toEqual(['1.1', '1.2', '1.3', '2.1', '2.2', '2.3'])
      expect(await read(null, [1, 1], 3)).toEqual(['1.2', '1.3', '2.1'])
      expect(await read(null, [2, 2])).toEqual(['2.3'])
      expect(await read(2, [0, 0], 2)).toEqual(['2.1', '2.2'])
      expect(await read(1, [1, 2])).toEqual(['1.3'])
      expect(await read(3, [0, 0])).toEqual([])
      const [first] = await stores.logs.list(rowId, { after: { epoch: 0, seq: 0 }, epoch: null, limit: 1 })
      expect(first).toEqual({ ...line(1), epoch: 1 })
    })
  })

  describe('artifacts', () => {
    it('come back by attempt and name; the last one of a name stays', async () => {
      const [stored] = await put(execution())
      const { rowId } = stored!
      const file = (epoch: number, name: string, text: string) => ({
        rowId,
        epoch,
        name,
        body: Buffer.from(text),
      })
      await stores.artifacts.put([file(1, 'a', 'old'), file(1, 'b', ''), file(2, 'a', 'other')])
      await stores.artifacts.put([file(1, 'a', 'new')])
      const read = async (epoch: number, name: string) => {
        const body = await stores.artifacts.read(rowId, epoch, name)
        return body && Buffer.from(body).toString()
      }
      expect([await read(1, 'a'), await read(1, 'b'), await read(2, 'a'), await read(2, 'b')]).toEqual([
        'new',
        '',
        'other',
        undefined,
      ])
    })

    it('give the newest one of a name up to an attempt', async () => {
      const [stored, other] = await put(execution(), execution({ id: executionId(2) }))
      const { rowId } = stored!
      const file = (epoch: number, name: string) => ({ rowId, epoch, name, body: Buffer.from(`${epoch} ${name}`) })
      await stores.artifacts.put([file(2, '.a'), file(11, '.a'), file(9, '.a'), file(12, '.b')])
      const newest = async (epoch: number, name = '.a', of = rowId) => {
        const body = await stores.artifacts.readNewest(of, epoch, name)
        return body && Buffer.from(body).toString()
      }
      expect(await Promise.all([1, 2, 8, 10, 11, 700].map((epoch) => newest(epoch)))).toEqual([
        undefined,
        '2 .a',
        '2 .a',
        '9 .a',
        '11 .a',
        '11 .a',
      ])
      expect([await newest(12, '.b'), await newest(12, '.c'), await newest(12, '.a', other!.rowId)]).toEqual([
        '12 .b',
        undefined,
        undefined,
      ])
    })
  })
}
