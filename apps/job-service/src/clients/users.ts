import { resolvedUsers, tolerant } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { Viewer } from '../domain/job.ts'

/** The users of auth-service. */
export interface Users {
  /** The users with these names; an unknown name is left out. Rejects when auth-service does not answer. */
  resolve(usernames: readonly string[]): Promise<readonly Viewer[]>
}

const reply = tolerant(resolvedUsers)

export function createUsers(rest: RestClient, { timeoutMs }: { timeoutMs: number }): Users {
  return {
    async resolve(usernames) {
      const request = { service: 'auth-service', method: 'POST', path: '/internal/users/resolve' } as const
      const answer = await rest.request({ ...request, body: { usernames }, deadlineMs: timeoutMs })
      if (answer.status !== 200)
        throw new Error(`auth-service answered ${answer.status} when users were to be resolved`)
      return reply.parse(answer.body).data.map(({ id, username }) => ({ id, username }))
    },
  }
}
