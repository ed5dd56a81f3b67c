import type { Timer } from './clock.ts'

/** A call in a heap: due at `due` (the heap's own unit of time), and in order of `seq` among equals. */
export interface Entry extends Timer {
  readonly due: number
  readonly seq: number
  readonly callback: () => void
}

/** What is to come, earliest first; calls that are due together come in the order in which they were asked for. */
export interface TimerHeap {
  add(due: number, seq: number, callback: () => void): Entry
  first(): Entry | undefined
  /** Removes and answers the first entry. */
  take(): Entry | undefined
  size(): number
}

interface Node extends Entry {
  /** Place in the array; -1 once taken or cancelled. It is what lets `cancel` remove the entry at once, without a leak. */
  place: number
}

function isBefore(a: Node, b: Node): boolean {
  return a.due < b.due || (a.due === b.due && a.seq < b.seq)
}

/** A binary heap whose entries know their place. Add, take and cancel cost O(log n); nothing cancelled stays behind. */
export function createTimerHeap(): TimerHeap {
  const nodes: Node[] = []

  const put = (node: Node, place: number) => {
    nodes[place] = node
    node.place = place
  }

  const rise = (node: Node) => {
    let place = node.place
    while (place > 0) {
      const parent = nodes[(place - 1) >> 1] as Node
      if (!isBefore(node, parent)) break
      const above = parent.place
      put(parent, place)
      place = above
    }
    put(node, place)
  }

  const sink = (node: Node) => {
    let place = node.place
    for (;;) {
      const left = nodes[2 * place + 1]
      if (left === undefined) break
      const right = nodes[2 * place + 2]
      const child = right !== undefined && isBefore(right, left) ? right : left
      if (!isBefore(child, node)) break
      const below = child.place
      put(child, place)
      place = below
    }
    put(node, place)
  }

  const remove = (node: Node) => {
    const place = node.place
    if (place === -1) return
    node.place = -1
    const last = nodes.pop() as Node
    if (last === node) return
    put(last, place)
    rise(last)
    sink(last)
  }

  return {
    add(due, seq, callback) {
      const node: Node = { due, seq, callback, place: nodes.length, cancel: () => remove(node) }
      nodes.push(node)
      rise(node)
      return node
    },
    first: () => nodes[0],
    take() {
      const node = nodes[0]
      if (node) remove(node)
      return node
    },
    size: () => nodes.length,
  }
}
