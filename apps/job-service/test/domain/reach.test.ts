import type { Role } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { asOwner, checkNeed, type Need, rightsOf, scopeOf } from '../../src/domain/reach.ts'
import { jobOf } from '../fixtures.ts'

const job = jobOf({ ownerId: 'usr-a', viewers: [{ id: 'usr-b', username: 'ben' }] })
const needs: Need[] = ['see', 'details', 'operate', 'change']
const caller = (userId: string, ...roles: Role[]) => ({ userId, roles })

describe('the reach of a caller', () => {
  it.each([
    ['its owner may do everything', asOwner('usr-a'), ['see', 'details', 'operate', 'change']],
    ['a viewer sees it with its params and logs', caller('usr-b', 'user'), ['see', 'details']],
    ['an operator sees its metadata and operates it', caller('usr-c', 'operator'), ['see', 'operate']],
    ['an admin does too', caller('usr-c', 'admin'), ['see', 'operate']],
    ['an operator who is a viewer sees all of it', caller('usr-b', 'operator'), ['see', 'details', 'operate']],
    ['it is not there for another user', caller('usr-c', 'user'), []],
    ['it is not there for another reader', caller('usr-c', 'viewer'), []],
  ])('of a job: %s', (_name, who, allowed) => {
    const rights = rightsOf(who, job)
    expect(needs.filter((need) => rights !== null && checkNeed(rights, need) === null)).toEqual(allowed)
  })

  it('names what is missing to callers that see the job', () => {
    const rights = rightsOf(caller('usr-b', 'user'), job)
    expect(rights && checkNeed(rights, 'change')).toMatchObject({ code: 'forbidden' })
    expect(rights && checkNeed(rights, 'operate')).toMatchObject({ code: 'forbidden' })
  })

  it('of lists: those of all users are for operators', () => {
    expect(scopeOf(caller('usr-a', 'user'), 'own')).toEqual({ ownerId: 'usr-a' })
    expect(scopeOf(caller('usr-a', 'user'), 'shared')).toEqual({ viewerId: 'usr-a' })
    expect(scopeOf(caller('usr-a', 'user'), 'all')).toMatchObject({ code: 'forbidden' })
    expect(scopeOf(caller('usr-a', 'operator'), 'all')).toBe('all')
  })
})
