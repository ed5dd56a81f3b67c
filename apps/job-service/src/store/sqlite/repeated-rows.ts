import type { SqlValue } from '@belfry/storage/sqlite'
import type { Repeated } from '../../domain/due.ts'

/** What `(nextAt, n) > (?, ?)` takes; null: from the first row on. */
export function afterParams(after: Repeated | null | undefined): readonly [SqlValue, SqlValue] {
  return [after?.nextAt ?? Number.MIN_SAFE_INTEGER, after?.handle ?? 0]
}
