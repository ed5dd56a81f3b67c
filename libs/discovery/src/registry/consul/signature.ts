import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Instance } from '../port.ts'

/**
 * The signature of a registration: HMAC-SHA-256 over the prefix and the instance (decision 025). The
 * text begins with a name of its own, so that no service token, which is made with the same key, is a signature.
 */
export function signInstance(key: string, prefix: string, { service, id, host, port }: Instance): string {
  const text = JSON.stringify(['belfry-registration-1', prefix, service, id, host, port])
  return createHmac('sha256', key).update(text).digest('base64url')
}

export function isSignedBy(key: string, prefix: string, instance: Instance, signature: unknown): boolean {
  if (typeof signature !== 'string') return false
  const [given, expected] = [Buffer.from(signature), Buffer.from(signInstance(key, prefix, instance))]
  return given.length === expected.length && timingSafeEqual(given, expected)
}
