import type { FastifyReply } from 'fastify'

/**
 * The answer of a service says with it how many items a call had: the gateway, which reads no body, counts them then and takes the
 * header away. `200;runs`: each of them is a run too (an item with a parameter, RFC 9651).
 */
export const itemCountHeader = 'x-item-count'

/** How many jobs, executions or runs one call had. */
export interface ItemCount {
  readonly items: number
  /** Whether each item is a run that was asked for. */
  readonly areRuns: boolean
}

/** Sets the header on the answer of a service. */
export function setItemCount(reply: FastifyReply, { items, areRuns }: ItemCount): void {
  reply.header(itemCountHeader, areRuns ? `${items};runs` : String(items))
}

const shape = /^(\d{1,9})(;runs)?$/

/** What a service says; undefined for any other text. */
export function readItemCount(text: string): ItemCount | undefined {
  const parts = shape.exec(text)
  return parts ? { items: Number(parts[1]), areRuns: parts[2] !== undefined } : undefined
}
