import { type Refusal, type Role, refusal } from '@belfry/contracts'
import type { AdminStore } from '../store/ports.ts'
import { highestRole, type User } from './user.ts'

/**
 * The admins, in one record: it alone decides who is one. So "the last admin stays" is one compare-and-set, and two admins who
 * take the role from each other at the same moment cannot both succeed.
 */
export interface AdminList {
  readonly userIds: readonly string[]
  /** 0 for a list that was never written. */
  readonly version: number
}

/** What a user is just now. */
export interface UserState {
  readonly role: Role
  /** An admin is never disabled: the role has to be taken away first. */
  readonly isDisabled: boolean
}

export function userStateIn(list: AdminList, user: User): UserState {
  if (list.userIds.includes(user.id)) return { role: 'admin', isDisabled: false }
  return { role: highestRole(user.roles.filter((role) => role !== 'admin')), isDisabled: user.disabled }
}

/** The list with or without a user; `same` when nothing changes. */
export function changedList(list: AdminList, userId: string, isAdmin: boolean): readonly string[] | 'same' {
  if (list.userIds.includes(userId) === isAdmin) return 'same'
  return isAdmin ? [...list.userIds, userId] : list.userIds.filter((id) => id !== userId)
}

export interface Admins {
  read(): Promise<AdminList>
  stateOf(user: User): Promise<UserState>
  roleOf(user: User): Promise<Role>
  /** Makes the user an admin or takes the role away; or `conflict`: the last admin, or the list is full. Idempotent. */
  set(userId: string, isAdmin: boolean): Promise<Refusal | undefined>
  /** Makes the user the first admin; false when there is one already. */
  setFirst(userId: string): Promise<boolean>
}

const lastAdmin = refusal('conflict', 'This is the last admin: make another user one first.')
const busy = refusal('request-in-flight', 'Other changes of the admins are under way.', { retryAfterS: 1 })
const tries = 5

export function createAdmins(store: AdminStore, most: number): Admins {
  const full = refusal('conflict', `There are ${most} admins, which is the most.`)
  return {
    read: () => store.read(),
    stateOf: async (user) => userStateIn(await store.read(), user),
    roleOf: async (user) => userStateIn(await store.read(), user).role,
    async set(userId, isAdmin) {
      for (let left = tries; left > 0; left -= 1) {
        const list = await store.read()
        const next = changedList(list, userId, isAdmin)
        if (next === 'same') return undefined
        if (next.length === 0) return lastAdmin
        if (next.length > most) return full
        if (await store.replace(next, list.version)) return undefined
      }
      return busy
    },
    async setFirst(userId) {
      const list = await store.read()
      return list.userIds.length === 0 && (await store.replace([userId], list.version))
    },
  }
}
