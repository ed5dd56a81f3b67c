import { createHmac } from 'node:crypto'

/** Standard Webhooks (github.com/standard-webhooks/standard-webhooks): how keys look, and how a message is signed. */

const prefix = 'whsec_'
/** Bytes of a key that is made here. */
export const webhookKeyBytes = 32

export function webhookKeyText(bytes: Uint8Array): string {
  return `${prefix}${Buffer.from(bytes).toString('base64')}`
}

/** Whether a text is the key that it stands for, in the one spelling that Base64 has for it. */
export function isWebhookKey(text: string): boolean {
  const bytes = Buffer.from(text.slice(prefix.length), 'base64')
  return text === webhookKeyText(bytes) && bytes.length >= 24 && bytes.length <= 64
}

export interface SignedMessage {
  readonly id: string
  /** When it is sent, epoch milliseconds. */
  readonly at: number
  readonly body: string
}

/** The headers of a message: one signature by each key. */
export function webhookHeaders({ id, at, body }: SignedMessage, keys: readonly string[]): Record<string, string> {
  const timestamp = String(Math.floor(at / 1000))
  const signatures = keys.map((key) => {
    const bytes = Buffer.from(key.slice(prefix.length), 'base64')
    return `v1,${createHmac('sha256', bytes).update(`${id}.${timestamp}.${body}`).digest('base64')}`
  })
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}
