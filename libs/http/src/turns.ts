import type { HttpApp } from './http-app.ts'

/** Requests that begin in one iteration of the event loop. */
const requestsPerTurn = 32

/**
 * Lets so many requests begin in one iteration of the event loop; the others wait for the next one, first in, first out. Due timers
 * run between two iterations: the requests of hundreds of callers that arrive together would hold them up otherwise.
 */
export function takeTurns(app: HttpApp, perTurn = requestsPerTurn): void {
  let waiting: (() => void)[] = []
  let taken = 0
  let isScheduled = false

  const schedule = (): void => {
    if (isScheduled) return
    isScheduled = true
    setImmediate(next)
  }
  const next = (): void => {
    isScheduled = false
    const begun = waiting.slice(0, perTurn)
    waiting = waiting.slice(perTurn)
    taken = begun.length
    if (taken > 0) schedule()
    for (const begin of begun) begin()
  }

  app.addHook('onRequest', (_request, _reply, done) => {
    if (taken >= perTurn || waiting.length > 0) {
      waiting.push(done)
      return
    }
    taken += 1
    schedule()
    done()
  })
}
