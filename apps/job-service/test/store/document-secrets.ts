import type { Secret } from '../../src/domain/secret.ts'
import type { SecretStore } from '../../src/store/secret-port.ts'
import type { Collection, Stored } from './document-collection.ts'

/** `SecretStore` as a document database would have it. */
export function createSecrets(secrets: Collection<Secret>): SecretStore {
  const named = (ownerId: string, name: string) => (one: Secret) => one.ownerId === ownerId && one.name === name
  const plain = ({ ownerId, name, sealed, createdAt, updatedAt }: Secret): Secret => ({
    ...{ ownerId, name, sealed, createdAt, updatedAt },
  })
  return {
    async put(secret, most) {
      const { ownerId, name, sealed, updatedAt } = secret
      for (;;) {
        if (await secrets.updateOne(named(ownerId, name), { sealed, updatedAt })) {
          const found = await secrets.findOne(named(ownerId, name))
          if (found) return { secret: plain(found), isNew: false }
          continue
        }
        if ((await secrets.find((one) => one.ownerId === ownerId)).length >= most) return 'too-many'
        if ((await secrets.insert(secret)) !== null) return { secret, isNew: true }
      }
    },
    async list(ownerId, { after, limit }) {
      const fits = (one: Secret) => one.ownerId === ownerId && one.name > (after ?? '')
      return (await secrets.find(fits, (a, b) => (a.name < b.name ? -1 : 1), limit)).map(plain)
    },
    async readMany(ownerId, names) {
      return (await secrets.find((one) => one.ownerId === ownerId && names.includes(one.name))).map(plain)
    },
    async listAll(after, limit) {
      const order = (a: Stored<Secret>, b: Stored<Secret>) => (a.rowId < b.rowId ? -1 : 1)
      const rows = await secrets.find((one) => after === null || one.rowId > after, order, limit)
      return { rows: rows.map(plain), next: rows.length === limit ? (rows.at(-1)?.rowId ?? null) : null }
    },
    reseal: ({ ownerId, name, sealed: before }, sealed) =>
      secrets.updateOne((one) => named(ownerId, name)(one) && one.sealed === before, { sealed }),
    async remove(ownerId, name) {
      const found = await secrets.findOne(named(ownerId, name))
      return found && (await secrets.deleteOne(named(ownerId, name))) ? plain(found) : undefined
    },
  }
}
