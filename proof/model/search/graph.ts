import { grown } from './tables.ts'

/** The steps without a fault between states, as pairs of indexes. */
export class Edges {
  #pairs = new Int32Array(1 << 16)
  #length = 0

  add(from: number, to: number): void {
    if (from === to) return
    if (this.#length + 2 > this.#pairs.length) this.#pairs = grown(this.#pairs)
    this.#pairs[this.#length++] = from
    this.#pairs[this.#length++] = to
  }

  get count(): number {
    return this.#length / 2
  }

  /**
   * Which of the first `states` states lead to a goal by steps without a fault: 1 for those that do. A fair continuation reaches the
   * goal from each state if all of them are 1, since each such step stays possible until it is taken or is of no use any more.
   */
  leadingTo(goals: readonly number[], states: number): Uint8Array {
    const { starts, sources } = this.#reversed(states)
    const leads = new Uint8Array(states)
    const queue = new Int32Array(states)
    let length = 0
    for (const goal of goals) {
      leads[goal] = 1
      queue[length++] = goal
    }
    for (let at = 0; at < length; at++) {
      const state = queue[at]!
      for (let i = starts[state]!; i < starts[state + 1]!; i++) {
        const source = sources[i]!
        if (leads[source] === 1) continue
        leads[source] = 1
        queue[length++] = source
      }
    }
    return leads
  }

  /** For each state the sources of its edges: `sources` from `starts[state]` up to `starts[state + 1]`. */
  #reversed(states: number): { readonly starts: Int32Array; readonly sources: Int32Array } {
    const starts = new Int32Array(states + 2)
    for (let i = 1; i < this.#length; i += 2) starts[this.#pairs[i]! + 2]! += 1
    for (let state = 2; state < starts.length; state++) starts[state]! += starts[state - 1]!
    const sources = new Int32Array(this.#length / 2)
    for (let i = 0; i < this.#length; i += 2) {
      const to = this.#pairs[i + 1]! + 1
      sources[starts[to]!] = this.#pairs[i]!
      starts[to]! += 1
    }
    return { starts, sources }
  }
}
