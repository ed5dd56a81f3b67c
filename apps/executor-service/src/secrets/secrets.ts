import { mostSecretsOfParams, resolveSecretsReply, secretReferencesIn, tolerant } from '@belfry/contracts'
import type { RestClient } from '@belfry/discovery'
import type { Clock } from '@belfry/service'
import { fatal, JobFailure } from '@belfry/worker'

/** The values of the secrets that params name. */
export interface Secrets {
  /**
   * Asks job-service, which opens them, for one attempt; nothing of the answer is cached. Rejects with a `JobFailure`: fatal
   * `secret-not-found` where a name has no secret, else `secrets-unavailable`, which is retried by the job's policy.
   */
  valuesFor(ownerId: string, params: unknown): Promise<ReadonlyMap<string, string>>
}

const reply = tolerant(resolveSecretsReply)

function namesIn(params: unknown): string[] {
  const names = new Set(secretReferencesIn(params).flatMap(({ name }) => name ?? []))
  if (names.size <= mostSecretsOfParams) return [...names]
  throw fatal('params-invalid', `The params name ${names.size} secrets; ${mostSecretsOfParams} are allowed.`)
}

export interface SecretsOptions {
  readonly rest: RestClient
  readonly clock: Clock
  /** How long job-service may take to answer, with all tries, milliseconds. */
  readonly timeoutMs: number
}

/** How long after a call that failed job-service is asked again, milliseconds: it may be starting. */
const againMs = 250

export function createSecrets({ rest, clock, timeoutMs }: SecretsOptions): Secrets {
  async function askOnce(
    ownerId: string,
    names: readonly string[],
    deadlineMs: number,
  ): Promise<Record<string, string>> {
    const path = '/internal/secrets/resolve'
    const request = { service: 'job-service', method: 'POST', path, deadlineMs } as const
    const { status, body } = await rest.request({ ...request, body: { ownerId, names } })
    if (status !== 200) throw new Error(`job-service answered ${status} to POST ${path}`)
    return reply.parse(body).values
  }

  async function ask(ownerId: string, names: readonly string[]): Promise<Record<string, string>> {
    const endsAt = clock.monotonic() + timeoutMs
    for (;;) {
      try {
        return await askOnce(ownerId, names, Math.max(1, endsAt - clock.monotonic()))
      } catch (error) {
        if (clock.monotonic() + againMs >= endsAt) throw error
        await new Promise<void>((resolve) => clock.callAfter(againMs, resolve))
      }
    }
  }

  return {
    async valuesFor(ownerId, params) {
      const names = namesIn(params)
      if (names.length === 0) return new Map()
      const values = await ask(ownerId, names).catch((error: unknown) => {
        const reason = error instanceof Error ? error.message : String(error)
        throw new JobFailure('secrets-unavailable', `The secrets of the params could not be read: ${reason}`)
      })
      const missing = names.filter((name) => !Object.hasOwn(values, name))
      if (missing.length > 0)
        throw fatal('secret-not-found', `The job's owner has no secret named ${missing.join(', ')}.`)
      return new Map(names.map((name) => [name, values[name] as string]))
    },
  }
}
