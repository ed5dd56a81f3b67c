import { z } from 'zod'
import { secretNamePattern } from '../secret-references.ts'
import { wireTime } from './parts.ts'

/** A shorter value would be found, and replaced, in too much text that has nothing to do with it. */
const leastCharacters = 4
const mostCharacters = 8192

export const secretName = z
  .string()
  .regex(secretNamePattern, 'must be 1 to 64 letters, digits, "_", "-" and ".", and begin with a letter or "_"')
  .describe('Name of the secret, unique among those of its owner.')

/** `PUT /secrets/:name`. */
export const putSecretBody = z
  .strictObject({
    value: z
      .string()
      .min(leastCharacters)
      .max(mostCharacters)
      .describe('The value. It is stored sealed, and no answer shows it. At least 4 characters, at most 8192.'),
  })
  .meta({ id: 'PutSecretBody', description: 'The value of a secret.' })

/** A secret without its value, which no answer has. */
export const secretView = z
  .strictObject({
    name: secretName,
    reference: z.string().describe('What stands for the value in a text of params.'),
    createdAt: wireTime.describe('When the name was stored first.'),
    updatedAt: wireTime.describe('When the value was stored.'),
  })
  .meta({ id: 'Secret', description: 'A secret without its value, which no answer has.' })
export type SecretView = z.infer<typeof secretView>

/** Different secrets that the params of one execution may name. */
export const mostSecretsOfParams = 50

/**
 * `POST /internal/secrets/resolve` of job-service: the values of an owner's secrets for one attempt. A name that is not in the answer
 * has no secret.
 */
export const resolveSecretsBody = z.strictObject({
  ownerId: z.string(),
  names: z.array(secretName).min(1).max(mostSecretsOfParams),
})
export const resolveSecretsReply = z.strictObject({ values: z.record(z.string(), z.string()) })
