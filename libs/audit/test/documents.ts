import { createDocuments, type DocumentsOptions } from '@belfry/testkit'
import { contentOf } from '../src/content.ts'
import type { AuditRow, AuditStore, Seal } from '../src/index.ts'

type Document = AuditRow & { readonly isFrozen: boolean }

/** A throw-away body of the store: one document a verb, answers in any order. */
export function createDocumentStore(options: Pick<DocumentsOptions<unknown>, 'delayTurns'> = {}): AuditStore {
  const rows = createDocuments<Document>(options)
  const seals = createDocuments<Seal>(options)
  let last = 0
  const sorted = async (matches: (row: Document) => boolean) =>
    (await rows.find(matches)).map(({ value: { isFrozen: _, ...row } }): AuditRow => row).sort((a, b) => a.n - b.n)
  const sortedSeals = async () => (await seals.find(() => true)).map(({ value }) => value).sort((a, b) => a.no - b.no)

  return {
    settleMs: 60_000,
    async append(row) {
      last += 1
      const n = last
      await rows.insert(String(n), { ...row, n, also: [], version: null, status: null, isFrozen: false })
      return n
    },
    async complete(outcomes) {
      await Promise.all(
        outcomes.map(({ actor, ...one }) =>
          rows.update(String(one.n), (row) => {
            if (row.status !== null || row.isFrozen) return undefined
            return { ...row, ...one, ...(actor && { actorId: actor.id, actorName: actor.name }) }
          }),
        ),
      )
    },
    async list({ actorId, target }, before, limit) {
      const found = await sorted(
        (row) =>
          (actorId === undefined || row.actorId === actorId) &&
          (target === undefined || row.target === target) &&
          row.n < (before ?? Number.MAX_SAFE_INTEGER),
      )
      return found.reverse().slice(0, limit)
    },
    head: async () => last,
    async peek(after, upTo, openSince, limit) {
      const found = (await sorted(({ n }) => n > after && n <= upTo)).slice(0, limit)
      const open = found.findIndex(({ status, at }) => status === null && at > openSince)
      const ready = open === -1 ? found : found.slice(0, open)
      const { count, last, firstAt: oldestAt } = contentOf(ready)
      return count === 0 ? null : { count, last, oldestAt }
    },
    readContent: async (after, upTo) => contentOf(await sorted(({ n }) => n > after && n <= upTo)),
    async freeze(after, upTo) {
      const found = await sorted(({ n }) => n > after && n <= upTo)
      await Promise.all(found.map(({ n }) => rows.update(String(n), (row) => ({ ...row, isFrozen: true }))))
    },
    newestSeal: async () => (await sortedSeals()).at(-1) ?? null,
    insertSeal: (seal) => seals.insert(String(seal.no), seal),
    listSeals: async (after, limit) => (await sortedSeals()).filter(({ no }) => no > after).slice(0, limit),
    async removeThrough({ no, last: upTo }) {
      for (const seal of await sortedSeals()) if (seal.no <= no) await seals.remove(String(seal.no))
      for (const row of await sorted(({ n }) => n <= upTo)) await rows.remove(String(row.n))
    },
  }
}
