import type { Fleet } from '../fleet.ts'

/** What a load balancer before the gateways does. */
export interface ReadyGateways {
  /** The address of a gateway that has said that it is ready, each in turn; of any one while none is. */
  next(): string
  stop(): void
}

const turnMs = 100

/** Asks every gateway again and again whether it is ready. With one gateway there is nothing to choose. */
export function watchGateways(fleet: Fleet): ReadyGateways {
  const all = fleet.of('gateway').map(({ url }) => url)
  let ready = all
  let turn = 0
  let isOver = false

  const isReady = async (url: string) => {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
    await answer?.arrayBuffer()
    return answer?.ok ?? false
  }

  async function watch(): Promise<void> {
    while (!isOver && all.length > 1) {
      const answers = await Promise.all(all.map(isReady))
      ready = all.filter((_, index) => answers[index])
      await new Promise((resolve) => setTimeout(resolve, turnMs))
    }
  }
  void watch()
  return {
    next() {
      const urls = ready.length > 0 ? ready : all
      return urls[turn++ % urls.length] ?? fleet.url
    },
    stop() {
      isOver = true
    },
  }
}
