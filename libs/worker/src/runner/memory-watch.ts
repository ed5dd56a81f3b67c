import type { Clock } from '@belfry/service'
import type { Child } from './open-child.ts'

const mib = 1024 * 1024
/** What Node itself takes beside the heap of a handler, MiB. */
const ownMemoryMb = 96
/** From one look at the memory to the next, milliseconds. */
const checkMs = 100

export interface MemoryWatchOptions {
  readonly child: Pick<Child, 'memory'>
  readonly clock: Clock
  /** Of the handler's code, MiB. */
  readonly memoryMb: number
  /** Whether an attempt is at work. */
  readonly isNeeded: () => boolean
  /** More is used. */
  readonly onOver: () => void
}

/** V8 bounds the heap, but not the bytes outside of it (buffers): looks at what a process uses while an attempt is at work. */
export function createMemoryWatch({ child, clock, memoryMb, isNeeded, onOver }: MemoryWatchOptions): { start(): void } {
  let isAtWork = false

  async function look(): Promise<void> {
    if ((await child.memory()) > (memoryMb + ownMemoryMb) * mib) onOver()
    isAtWork = isNeeded()
    if (isAtWork) later()
  }
  const later = () => void clock.callAfter(checkMs, () => void look())

  return {
    start() {
      if (isAtWork) return
      isAtWork = true
      later()
    },
  }
}
