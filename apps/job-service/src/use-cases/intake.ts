import { type Refusal, refusal } from '@belfry/contracts'
import { type Clock, createRoundRobin } from '@belfry/service'

/** What must go on before more is taken in: the relay of job changes, or the publisher of commands. */
export interface Outflow {
  /** Records that wait or are under way. */
  waiting(): number
  /** Calls back whenever fewer wait. */
  onRoom(listener: () => void): void
}

export interface IntakeOptions {
  readonly clock: Clock
  readonly outflow: Outflow
  /** Records that may wait, with those that are being stored; beyond it callers are held. One call is taken whatever its size. */
  readonly rows: number
  /** The same for what is needed soon, which overtakes the others. */
  readonly mostRows: number
  /** How long a caller is held before it is refused, milliseconds. */
  readonly holdMs: number
}

/** What a call wants to store. */
export interface IntakeRequest {
  readonly ownerId: string
  readonly items: number
  readonly isSoon: boolean
}

/**
 * Back-pressure on callers: while more waits to be published than may, calls are held, and refused (429) when that takes too long.
 * So what is acknowledged reaches the scheduler or the executors within a bounded time.
 */
export interface Intake {
  /** Runs the task as soon as there is room; the refusal when there is none for too long. */
  run<T>(request: IntakeRequest, task: () => Promise<T>): Promise<T | Refusal>
}

interface Held {
  readonly request: IntakeRequest
  readonly admit: () => void
}

const full = refusal('too-many-requests', 'more is waiting to be scheduled than may: send it again', { retryAfterS: 1 })

/** Held calls are taken in turn by owner, so that one with many calls does not hold up another with few. */
export function createIntake({ clock, outflow, rows, mostRows, holdMs }: IntakeOptions): Intake {
  /** Items that are being stored: they are not in the outflow yet. */
  let admitted = 0
  const held = createRoundRobin<Held>()

  const hasRoom = ({ items, isSoon }: IntakeRequest) => {
    const waiting = admitted + outflow.waiting()
    return waiting === 0 || waiting + items <= (isSoon ? mostRows : rows)
  }

  /** Those that are needed soon go first, since they have more room; of each kind the owner whose turn was longest ago. */
  const admitHeld = (): void => {
    admitFirst((request) => request.isSoon)
    admitFirst((request) => !request.isSoon)
  }
  const admitFirst = (fits: (request: IntakeRequest) => boolean): void => {
    for (const [ownerId, first] of held.firsts(({ request }) => fits(request))) {
      if (!hasRoom(first.request)) return
      held.remove(ownerId, first)
      first.admit()
    }
  }
  outflow.onRoom(admitHeld)

  const isAdmitted = (request: IntakeRequest): Promise<boolean> | boolean => {
    const isInTurn = held.size() === 0 || request.isSoon
    if (isInTurn && hasRoom(request)) {
      admitted += request.items
      return true
    }
    return new Promise((resolve) => {
      const admit = () => {
        timer.cancel()
        admitted += request.items
        resolve(true)
      }
      const one = { request, admit }
      const timer = clock.callAfter(holdMs, () => {
        held.remove(request.ownerId, one)
        resolve(false)
      })
      held.push(request.ownerId, one)
    })
  }

  return {
    async run(request, task) {
      if (!(await isAdmitted(request))) return full
      try {
        return await task()
      } finally {
        admitted -= request.items
        admitHeld()
      }
    },
  }
}
