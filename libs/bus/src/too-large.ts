import type { Topic } from '@belfry/contracts'
import type { Logger } from '@belfry/service'
import type { PoisonStore } from './consumer.ts'
import type { OutgoingMessage, TooLargeError } from './port.ts'

export interface TooLargeKeeper {
  readonly topic: Topic
  /** Who sends: `relay jobs`. */
  readonly sender: string
  readonly poison: PoisonStore
  readonly log: Logger
}

/** Keeps the messages of a publish that are too large for the bus, each with its size. Rejects as the store does. */
export async function keepTooLarge(
  { topic, sender, poison, log }: TooLargeKeeper,
  messages: readonly OutgoingMessage[],
  { messages: tooLarge }: TooLargeError,
): Promise<void> {
  const kept = tooLarge.flatMap(({ index, bytes }) => {
    const message = messages[index]
    if (!message) return []
    const raw = Buffer.from(JSON.stringify(message.value))
    const reason = `the bus does not take a message of ${bytes} bytes`
    return [{ topic, group: sender, key: message.key, partition: null, offset: null, raw, reason }]
  })
  await poison.keep(kept)
  for (const { key, reason } of kept)
    log.error({ topic, key, reason }, 'a message is too large; it is kept and not sent')
}
