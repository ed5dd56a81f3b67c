import { type Refusal, refusal } from '@belfry/contracts'
import type { Clock, Ids, Logger } from '@belfry/service'
import type { Admins } from '../accounts/admins.ts'
import type { User } from '../accounts/user.ts'
import type { SessionStore, UserStore } from '../store/ports.ts'
import { hashOf, readToken, writeToken } from '../tokens/opaque-token.ts'
import { judgeRefresh, newMarkedSecret, newMarkKey, rotateSession, type Session } from './session.ts'

export interface SessionsDeps {
  readonly sessions: SessionStore
  readonly users: UserStore
  readonly admins: Admins
  readonly clock: Pick<Clock, 'now'>
  readonly ids: Ids
  readonly log: Logger
  /** How long a login can be refreshed, milliseconds. */
  readonly lifetimeMs: number
  /** How long a refresh token gives its successor again, milliseconds. */
  readonly graceMs: number
  /** Sessions of one user; beyond it the one that was refreshed least recently ends. */
  readonly mostPerUser: number
  /** Sessions that one turn of the purge removes. */
  readonly purgeBatch: number
}

/** A user with the refresh token of a session, and how long the session lasts. */
export interface Refreshable {
  readonly user: User
  readonly refreshToken: string
  readonly expiresInMs: number
}

/** An older token was used again: the session has ended, because a copy of the token is in other hands. */
interface Replayed {
  readonly replayedBy: User
  readonly sessionId: string
}

type Refreshed = Refreshable | Replayed | 'unknown' | Refusal

export interface Sessions {
  /** Begins a session of a user who has just given a password. */
  begin(user: User): Promise<Refreshable>
  /**
   * The next refresh token; or `unauthenticated`. A replay of an older token ends the session. `unknown`: the token names a session
   * that never had it, which changes nothing.
   */
  refresh(token: string): Promise<Refreshed>
  /** Ends the session of a refresh token, whichever of its tokens it is. Nothing happens for any other text. */
  end(token: string): Promise<void>
  /** Ends all sessions of a user. */
  endAll(userId: string): Promise<void>
  /** Removes sessions that have expired; answers whether there may be more. */
  purge(): Promise<boolean>
}

const prefix = 'bfr'
export const over = refusal(
  'unauthenticated',
  'This refresh token is not valid any more. Log in again: POST /auth/login.',
)

export function createSessions(deps: SessionsDeps): Sessions {
  const { sessions, users, admins, clock, ids, log, lifetimeMs, graceMs, mostPerUser, purgeBatch } = deps

  /** Ends those beyond the bound. Logins at the same moment may leave some more until the next login. */
  const trim = async (userId: string, keptId: string) => {
    const all = await sessions.listOfUser(userId)
    const others = all.filter(({ id }) => id !== keptId).toSorted((a, b) => b.rotatedAt - a.rotatedAt)
    await sessions.removeMany(others.slice(mostPerUser - 1).map(({ id }) => id))
  }

  const answer = (user: User, session: Session, secret: string): Refreshable => ({
    user,
    refreshToken: writeToken(prefix, { uuid: session.id, secret }),
    expiresInMs: session.expiresAt - clock.now(),
  })

  const endReplayed = async (user: User, { id }: Session): Promise<Replayed> => {
    await sessions.removeMany([id])
    log.warn(
      { userId: user.id, sessionId: id },
      'a refresh token was used again after it was replaced: its session ends',
    )
    return { replayedBy: user, sessionId: id }
  }

  const rotate = async (user: User, session: Session, secret: string): Promise<Refreshable | undefined> => {
    const { next, successor } = rotateSession(session, secret, clock.now())
    return (await sessions.rotate(next, session.hash)) ? answer(user, next, successor) : undefined
  }

  /** Undefined: another call with the same token came first. */
  const refreshOnce = async (uuid: string, secret: string): Promise<Refreshed | undefined> => {
    const session = await sessions.find(uuid)
    if (!session) return over
    const user = await users.findById(session.userId)
    if (!user || user.generation !== session.generation) return over
    if ((await admins.stateOf(user)).isDisabled) return over
    const judged = judgeRefresh(session, secret, clock.now(), graceMs)
    if (judged.kind === 'unknown') return 'unknown'
    if (judged.kind === 'over') return over
    if (judged.kind === 'replay') return endReplayed(user, session)
    if (judged.kind === 'again') return answer(user, session, judged.successor)
    return rotate(user, session, secret)
  }

  return {
    async begin(user) {
      const now = clock.now()
      const markKey = newMarkKey()
      const secret = newMarkedSecret(markKey)
      const { id: userId, generation } = user
      const times = { createdAt: now, rotatedAt: now, expiresAt: now + lifetimeMs }
      const session = { id: ids.uuid(), userId, generation, ...times, hash: hashOf(secret), previous: null, markKey }
      await sessions.insert(session)
      await trim(userId, session.id)
      return answer(user, session, secret)
    },
    async refresh(token) {
      const read = readToken(prefix, token)
      if (!read) return over
      const first = await refreshOnce(read.uuid, read.secret)
      // The second look finds what the other call stored: its successor is given again.
      return first ?? (await refreshOnce(read.uuid, read.secret)) ?? over
    },
    async end(token) {
      const read = readToken(prefix, token)
      const session = read && (await sessions.find(read.uuid))
      if (!session) return
      const { kind } = judgeRefresh(session, read.secret, clock.now(), graceMs)
      if (kind !== 'replay' && kind !== 'unknown') await sessions.removeMany([session.id])
    },
    endAll: (userId) => sessions.removeOfUser(userId),
    async purge() {
      const removed = await sessions.purge(clock.now(), purgeBatch)
      return removed === purgeBatch
    },
  }
}
