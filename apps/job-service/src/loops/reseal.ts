import type { Logger } from '@belfry/service'
import type { RowId } from '@belfry/storage'
import { keyPurposeOf, type Notification, resealed } from '../domain/notification.ts'
import type { Sealer } from '../domain/sealing.ts'
import { purposeOf, type Secret } from '../domain/secret.ts'
import type { Stores } from '../store/ports.ts'

export interface ResealOptions {
  readonly stores: Pick<Stores, 'secrets' | 'notifications'>
  readonly sealer: Sealer
  readonly log: Logger
  /** Records that are looked at a time. */
  readonly rows: number
  /** Whether this instance reseals, and not another one. */
  readonly takesTurn: () => boolean
  /** How many records a whole round has left sealed with another key than the newest. */
  readonly onLeft: (count: number) => void
}

interface Walk {
  /** Looks at the rows after one; answers how many it has resealed, how many are left with another key, and where it goes on. */
  page(after: RowId | null): Promise<{ resealed: number; left: number; next: RowId | null }>
}

/**
 * One iteration of sealing with the newest key what an older one has sealed: one page of secrets, then of the keys of webhooks. Each is a
 * compare-and-set on the sealed text or the `rev`, so that it never takes back a new value, and a round that was cut off is begun anew. Answers
 * true until the round is over.
 */
export function createReseal({ stores, sealer, log, rows, takesTurn, onLeft }: ResealOptions): () => Promise<boolean> {
  /** The text sealed with the newest key; null where no key opens it, or the newest has sealed it. */
  const reseal = (sealed: string, purpose: string): string | null => {
    if (sealer.isNewest(sealed)) return null
    try {
      return sealer.seal(sealer.open(sealed, purpose), purpose)
    } catch {
      return null
    }
  }
  const resealSecret = async (secret: Secret): Promise<boolean> => {
    const sealed = reseal(secret.sealed, purposeOf(secret))
    return sealed !== null && (await stores.secrets.reseal(secret, sealed))
  }
  const resealKeys = async (before: Notification): Promise<boolean> => {
    const next = resealed(before, (sealed) => reseal(sealed, keyPurposeOf(before)))
    return next !== before && (await stores.notifications.compareAndSet({ before, next }))
  }
  const walkOf = <T>(
    list: (after: RowId | null, limit: number) => Promise<{ rows: readonly T[]; next: RowId | null }>,
    sealedOf: (record: T) => readonly string[],
    act: (record: T) => Promise<boolean>,
  ): Walk => ({
    async page(after) {
      const found = await list(after, rows)
      const older = found.rows.filter((one) => sealedOf(one).some((sealed) => !sealer.isNewest(sealed)))
      const done = await Promise.all(older.map(act))
      const count = done.filter(Boolean).length
      return { resealed: count, left: older.length - count, next: found.next }
    },
  })
  const walks: readonly Walk[] = [
    walkOf(stores.secrets.listAll, ({ sealed }) => [sealed], resealSecret),
    walkOf(
      stores.notifications.listAll,
      ({ target }) => (target.type === 'webhook' ? target.keys.map(({ sealed }) => sealed) : []),
      resealKeys,
    ),
  ]

  let [at, after, count, left] = [0, null as RowId | null, 0, 0]
  const begin = () => {
    ;[at, after, count, left] = [0, null, 0, 0]
  }
  const end = () => {
    onLeft(left)
    if (left > 0) log.warn({ left }, 'some secrets are sealed with a key that is not set, or were changed meanwhile')
    else if (count > 0) log.info({ resealed: count }, 'all secrets are sealed with BELFRY_SECRETS_KEY')
    begin()
  }
  return async () => {
    // One instance makes a whole round.
    if (at === 0 && after === null && !takesTurn()) {
      onLeft(0)
      return false
    }
    const page = await (walks[at] as Walk).page(after)
    count += page.resealed
    left += page.left
    after = page.next
    if (after === null) at += 1
    if (at < walks.length) return true
    end()
    return false
  }
}
