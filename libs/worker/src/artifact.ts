import { fatal } from './failure.ts'

/** A file that an attempt made. */
export interface Artifact {
  readonly name: string
  readonly contentType: string
  readonly body: Uint8Array
}

/** A name that fits into a path, a header and a file system as it is. */
const artifactName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
const contentTypeText = /^[\w.+-]{1,60}\/[\w.+-]{1,60}(; ?[\w-]{1,30}=[\w.-]{1,60})?$/

/** The file with a copy of its bytes; throws `artifact-invalid` or `artifact-too-large` when it is not within the limits. */
export function readArtifact(name: unknown, contentType: unknown, body: unknown, mostBytes: number): Artifact {
  if (typeof name !== 'string' || !artifactName.test(name)) {
    throw fatal('artifact-invalid', 'The name of an artifact is made of letters, digits, ".", "_" and "-".')
  }
  if (typeof contentType !== 'string' || !contentTypeText.test(contentType)) {
    throw fatal('artifact-invalid', `The artifact ${name} needs a content type.`)
  }
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw fatal('artifact-invalid', `The artifact ${name} needs a text or bytes.`)
  }
  const bytes = Buffer.byteLength(body)
  if (bytes > mostBytes) {
    throw fatal('artifact-too-large', `The artifact ${name} has ${bytes} bytes; ${mostBytes} are allowed.`)
  }
  // A copy, because the handler may go on writing into its bytes.
  return { name, contentType, body: Buffer.from(body as string) }
}

/** Thrown for an artifact of a further name beyond `most`. */
export function tooManyArtifacts(most: number) {
  return fatal('too-many-artifacts', `An attempt may store ${most} artifacts.`)
}
