/**
 * `{{secret:NAME}}` in a text of params stands for the value of a secret of the job's owner. Params are stored, sent and shown
 * with the reference; an executor puts the value in its place for one attempt. Params come from JSON of at most 64 levels.
 */

export const secretNamePattern = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/

const opening = '{{secret:'
const reference = /\{\{secret:([^{}]*)\}\}/g

/** Where params name a secret. `name` is null where the reference is not one: no end, or no name of a secret. */
export interface SecretReference {
  /** JSON pointer from the params on. */
  readonly pointer: string
  readonly name: string | null
}

const escapePointer = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Whether some text of a value of JSON begins a reference. The names of fields are not looked at. */
export function hasSecretReference(value: unknown): boolean {
  if (typeof value === 'string') return value.includes(opening)
  if (typeof value !== 'object' || value === null) return false
  if (Array.isArray(value)) return value.some(hasSecretReference)
  for (const name in value) if (hasSecretReference((value as Record<string, unknown>)[name])) return true
  return false
}

function referencesOfText(text: string, pointer: string): SecretReference[] {
  const names = [...text.matchAll(reference)].map(([, name = '']) => (secretNamePattern.test(name) ? name : null))
  const isWhole = !text.replaceAll(reference, '').includes(opening)
  return (isWhole ? names : [...names, null]).map((name) => ({ pointer, name }))
}

function collect(value: unknown, pointer: string, found: SecretReference[]): void {
  if (typeof value === 'string') {
    if (value.includes(opening)) found.push(...referencesOfText(value, pointer))
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value)) collect(part, `${pointer}/${escapePointer(name)}`, found)
  }
}

/** Every reference in a value of JSON, in its order. */
export function secretReferencesIn(value: unknown): SecretReference[] {
  const found: SecretReference[] = []
  if (hasSecretReference(value)) collect(value, '', found)
  return found
}

function replace(value: unknown, values: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return value.replaceAll(reference, (whole, name: string) => values.get(name) ?? whole)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((part) => replace(part, values))
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, replace(part, values)]))
}

/** The value with each reference that `values` has a value for replaced; without a reference the same object. */
export function withSecretValues(value: unknown, values: ReadonlyMap<string, string>): unknown {
  return hasSecretReference(value) ? replace(value, values) : value
}
