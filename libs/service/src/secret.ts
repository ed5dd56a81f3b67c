import { z } from 'zod'

/** The shortest secret, bytes (docs/distributed.md). */
const leastBytes = 32

/** Words of placeholders. Each is so long that a random text has it by chance once in ten million. */
const placeholderWords = [
  'changeme',
  'change-me',
  'change_me',
  'secret',
  'password',
  'example',
  'insecure',
  'placeholder',
  'replace',
  '12345678',
  'abcdefgh',
  'qwertyui',
]

/** A random secret of 32 bytes has more characters than this, in hexadecimal too. */
const fewCharacters = 8

/** Whether the text is a shorter one, repeated: `abcabcabc`. */
function isRepetition(text: string): boolean {
  return `${text}${text}`.indexOf(text, 1) < text.length
}

function isWellKnown(text: string): boolean {
  const lower = text.toLowerCase()
  return (
    placeholderWords.some((word) => lower.includes(word)) || new Set(lower).size < fewCharacters || isRepetition(lower)
  )
}

/** What is wrong with a secret, in words that do not show it; undefined when nothing is. */
function weaknessOf(secret: string): string | undefined {
  if (Buffer.byteLength(secret) < leastBytes) return `is shorter than ${leastBytes} bytes`
  if (isWellKnown(secret)) return 'is a well-known or repeated text: make a random one'
  return undefined
}

/** A key that several processes share: at least 32 bytes, and no placeholder. `readConfig` also takes it from a file. */
export function secretKey() {
  return z
    .string()
    .superRefine((text, context) => {
      const message = weaknessOf(text)
      if (message !== undefined) context.addIssue({ code: 'custom', message })
    })
    .meta({ isSecret: true, whenMissing: 'a random text of at least 32 bytes, the same in every process' })
}
