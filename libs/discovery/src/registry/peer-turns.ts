import type { PeerShare } from './peer-share.ts'

/** Every so many turns an instance takes one although it is not the first. */
const turnsOfOthers = 3

/**
 * Whether this instance takes a turn at work of which one instance does enough for all: the first instance takes each turn,
 * another one its first turn and then each third. So the work goes on while an instance that is gone is still listed as the first.
 */
export function createPeerTurns(share: () => PeerShare): () => boolean {
  let turns = 0
  return () => {
    const takesTurn = share().index === 0 || turns % turnsOfOthers === 0
    turns += 1
    return takesTurn
  }
}
