import { Edges } from './graph.ts'
import { grown, States } from './tables.ts'

/** What may happen next. */
export interface Step<S> {
  readonly name: string
  /** A crash, a loss, an answer that does not come: no promise depends on it. */
  readonly isFault?: boolean
  readonly to: S
  /** What the step itself breaks. */
  readonly violation?: string | undefined
}

/** What is searched: all states that steps make of the first one. */
export interface System<S extends object> {
  readonly initial: S
  steps(state: S): readonly Step<S>[]
  /** The one of several states that stand for each other: it has the same future. */
  canonical(state: S): S
  /** What a state breaks; undefined when it breaks nothing. */
  check(state: S): string | undefined
  /** What a step from one state to another one breaks. */
  checkStep(before: S, after: S): string | undefined
  /** All is done: without another fault each state has to lead to such a state. */
  isGoal(state: S): boolean
  /** What is wrong with a state in which all is done. */
  checkGoal(state: S): string | undefined
}

export interface Violation<S> {
  readonly rule: string
  /** The shortest way to it: the first state, and then each step. */
  readonly path: readonly { readonly step: string; readonly state: S }[]
}

export interface SearchResult<S> {
  readonly states: number
  readonly transitions: number
  readonly depth: number
  readonly goals: number
  /** False when the search ended before all states were found. */
  readonly isExhausted: boolean
  readonly violation: Violation<S> | null
  readonly ms: number
}

export interface SearchOptions {
  /** States after which the search gives up. */
  readonly mostStates: number
  /** Whether it is checked that each state leads to a goal. */
  readonly isLiveness?: boolean
}

/** Breadth first, so that the first violation is one of the shortest. */
export function search<S extends object>(system: System<S>, options: SearchOptions): SearchResult<S> {
  const run = new Search(system, options)
  return run.result()
}

class Search<S extends object> {
  readonly #system: System<S>
  readonly #options: SearchOptions
  readonly #begunAt = performance.now()
  readonly #states: States<S>
  readonly #edges = new Edges()
  readonly #goals: number[] = []
  #parents = new Int32Array(1 << 16)
  #transitions = 0
  #depth = 0

  constructor(system: System<S>, options: SearchOptions) {
    this.#system = system
    this.#options = options
    this.#states = new States<S>(Object.keys(system.initial) as (keyof S)[])
  }

  result(): SearchResult<S> {
    const violation = this.#explore() ?? (this.#isExhausted ? this.#stuck() : null)
    const { count: states } = this.#states
    return {
      states,
      transitions: this.#transitions,
      depth: this.#depth,
      goals: this.#goals.length,
      isExhausted: this.#isExhausted,
      violation,
      ms: Math.round(performance.now() - this.#begunAt),
    }
  }

  #isExhausted = false

  #explore(): Violation<S> | null {
    this.#states.add(this.#system.canonical(this.#system.initial))
    this.#parents[0] = -1
    let levelEnd = 1
    for (let index = 0; index < this.#states.count; index++) {
      if (index === levelEnd) {
        this.#depth += 1
        levelEnd = this.#states.count
      }
      const violation = this.#expand(index)
      if (violation) return violation
      if (this.#states.count > this.#options.mostStates) return null
    }
    this.#isExhausted = true
    return null
  }

  #expand(index: number): Violation<S> | null {
    const system = this.#system
    const state = this.#states.read(index)
    const broken = system.check(state) ?? (this.#isGoal(state, index) ? system.checkGoal(state) : undefined)
    if (broken !== undefined) return { rule: broken, path: this.#pathTo(index) }
    for (const step of system.steps(state)) {
      this.#transitions += 1
      const { index: to, isNew } = this.#states.add(system.canonical(step.to))
      if (isNew) this.#setParent(to, index)
      if (this.#options.isLiveness && !step.isFault) this.#edges.add(index, to)
      const wrong = step.violation ?? system.checkStep(state, step.to)
      if (wrong === undefined) continue
      return { rule: wrong, path: this.#withLast(this.#pathTo(index), wrong) }
    }
    return null
  }

  /** The path with the step that breaks a promise, from the state as the path comes to it. */
  #withLast(path: Violation<S>['path'], rule: string): Violation<S>['path'] {
    const { state } = path.at(-1)!
    const last = this.#system
      .steps(state)
      .find((step) => (step.violation ?? this.#system.checkStep(state, step.to)) !== undefined)
    return [...path, { step: last?.name ?? rule, state: last?.to ?? state }]
  }

  #isGoal(state: S, index: number): boolean {
    const isGoal = this.#system.isGoal(state)
    if (isGoal) this.#goals.push(index)
    return isGoal
  }

  #setParent(index: number, parent: number): void {
    if (index >= this.#parents.length) this.#parents = grown(this.#parents)
    this.#parents[index] = parent
  }

  /** The first state that leads to no goal. */
  #stuck(): Violation<S> | null {
    if (!this.#options.isLiveness) return null
    const leads = this.#edges.leadingTo(this.#goals, this.#states.count)
    const index = leads.indexOf(0)
    return index === -1
      ? null
      : { rule: 'I10: without another mishap it never comes to an end', path: this.#pathTo(index) }
  }

  /** The steps are found again by the states that they lead to. */
  #pathTo(index: number): Violation<S>['path'] {
    const indexes: number[] = []
    for (let at = index; at !== -1; at = this.#parents[at]!) indexes.unshift(at)
    const path: { step: string; state: S }[] = [{ step: 'the beginning', state: this.#system.initial }]
    for (const [at, next] of indexes.slice(1).entries()) {
      const step = this.#stepTo(next, path.at(-1)!.state) ?? this.#stepTo(next, this.#states.read(indexes[at]!))
      if (step === undefined) throw new Error('a step cannot be found again')
      path.push({ step: step.name, state: step.to })
    }
    return path
  }

  /**
   * A step of this state that leads to the one of the index. Where rules are wrong, the state of a path may differ from the one that
   * stands for it in more than names: then the path goes on from that one.
   */
  #stepTo(index: number, state: S): Step<S> | undefined {
    return this.#system.steps(state).find(({ to }) => this.#indexOf(to) === index)
  }

  #indexOf(state: S): number {
    return this.#states.add(this.#system.canonical(state)).index
  }
}
