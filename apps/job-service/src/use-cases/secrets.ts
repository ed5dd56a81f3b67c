import { type Refusal, refusal, secretReferencesIn, type ValidationIssue } from '@belfry/contracts'
import { purposeOf, referenceIssues, type Secret } from '../domain/secret.ts'
import type { JobContext } from './context.ts'

type SecretContext = Pick<JobContext, 'stores' | 'sealer' | 'clock' | 'config'>

export interface SecretName {
  readonly ownerId: string
  readonly name: string
}

export const noSuchSecret = refusal('not-found', 'there is no such secret')

/** `PUT /secrets/:name`. `isNew`: there was none of this name. */
export async function putSecret(
  { stores, sealer, clock, config }: SecretContext,
  { ownerId, name }: SecretName,
  value: string,
): Promise<{ readonly secret: Secret; readonly isNew: boolean } | Refusal> {
  const now = clock.now()
  const sealed = sealer.seal(value, purposeOf({ ownerId, name }))
  const secret: Secret = { ownerId, name, sealed, createdAt: now, updatedAt: now }
  const put = await stores.secrets.put(secret, config.jobMostSecrets)
  if (put !== 'too-many') return put
  return refusal('quota-exceeded', `a user may have ${config.jobMostSecrets} secrets: delete those that are not needed`)
}

/** `POST /internal/secrets/resolve`: the values of those that there are. Throws where a value cannot be opened. */
export async function resolveSecrets(
  { stores, sealer }: Pick<SecretContext, 'stores' | 'sealer'>,
  ownerId: string,
  names: readonly string[],
): Promise<Record<string, string>> {
  const found = await stores.secrets.readMany(ownerId, [...new Set(names)])
  return Object.fromEntries(found.map((one) => [one.name, sealer.open(one.sealed, purposeOf(one))]))
}

/** What is wrong with the secrets that params name, which must be those of the job's owner. Reads nothing where they name none. */
export async function secretIssues(
  { stores, config }: Pick<SecretContext, 'stores' | 'config'>,
  ownerId: string,
  params: unknown,
): Promise<ValidationIssue[]> {
  const references = secretReferencesIn(params)
  if (references.length === 0) return []
  const asked = new Set(references.flatMap(({ name }) => name ?? []))
  // A user may have more secrets than are listed here: the bound was lowered since.
  const known = (await stores.secrets.readMany(ownerId, [...asked])).map(({ name }) => name)
  if (known.length === asked.size) return referenceIssues(references, known)
  const own = await stores.secrets.list(ownerId, { after: null, limit: config.jobMostSecrets })
  return referenceIssues(references, [...new Set([...known, ...own.map(({ name }) => name)])])
}
