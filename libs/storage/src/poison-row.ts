/** A message that cannot be read, with its bytes as they arrived. */
export interface PoisonRow {
  readonly topic: string
  readonly key: string
  readonly partition: number | null
  readonly offset: string | null
  readonly raw: Uint8Array
  readonly reason: string
}
