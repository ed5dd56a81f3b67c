import type { Account } from './mongo-executors.ts'

/**
 * What of a run breaks a promise (docs/protocol.md, invariants): executions without an end, more starts than losses and failures explain,
 * two starts under one epoch, newest states that were not published, or that the list of changes leaves out.
 */
export function accountFor({ records, calls, statuses, changes }: Account) {
  const callsOf = Map.groupBy(calls, (one) => one.executionId)
  const present = records.flatMap((one) => (one ? [one] : []))
  const notEnded = records.flatMap((one, index) => (one?.state === 'succeeded' ? [] : [`${index} ${one?.state}`]))
  const unexplained = present.flatMap(({ id, losses, failures, inDoubt }) => {
    const starts = callsOf.get(id)?.length ?? 0
    // A first loss is not charged (docs/protocol.md step 13); an epoch in doubt may have started.
    return starts >= 1 && starts - 1 <= Math.max(losses, inDoubt.length) + failures ? [] : [`${id} ${starts}`]
  })
  const doubled = [...callsOf].flatMap(([id, some]) => {
    const epochs = some.map((one) => one.epoch)
    return new Set(epochs).size === epochs.length ? [] : [`${id} ${epochs}`]
  })
  const early = present.filter(({ id, fireAt }) => callsOf.get(id)?.some((one) => one.at < fireAt)).map(({ id }) => id)
  const unpublished = present.filter(({ id, seq }) => statuses.get(id)?.seq !== seq).map(({ id }) => id)
  const unlisted = present.filter(({ id, seq }) => changes.get(id) !== seq).map(({ id }) => id)
  const restarted = [...callsOf.values()].filter((some) => some.length > 1).length
  return { notEnded, unexplained, doubled, early, unpublished, unlisted, restarted }
}
