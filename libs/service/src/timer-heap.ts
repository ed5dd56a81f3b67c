import type { Timer } from './clock.ts'

/** A call in a heap: due at `due` (the heap's own unit of time), and in order of `seq` among equals. */
export interface Entry extends Timer {
  readonly due: number
  readonly seq: number
  readonly callback: () => void
}

/** Calls in order of time; calls that are due together keep the order in which they were added. */
export interface TimerHeap {
  add(due: number, seq: number, callback: () => void): Entry
  first(): Entry | undefined
  /** Removes and answers the first entry. */
  take(): Entry | undefined
  size(): number
}

interface Node extends Entry {
  /** Index in the array; -1 once taken or cancelled. It is what lets `cancel` remove the entry at once, without a leak. */
  index: number
}

function isBefore(a: Node, b: Node): boolean {
  return a.due < b.due || (a.due === b.due && a.seq < b.seq)
}

/** A binary heap whose entries know their index. Add, take and cancel cost O(log n); nothing cancelled stays behind. */
export function createTimerHeap(): TimerHeap {
  const nodes: Node[] = []

  const put = (node: Node, index: number) => {
    nodes[index] = node
    node.index = index
  }

  const rise = (node: Node) => {
    let index = node.index
    while (index > 0) {
      const parent = nodes[(index - 1) >> 1] as Node
      if (!isBefore(node, parent)) break
      const above = parent.index
      put(parent, index)
      index = above
    }
    put(node, index)
  }

  const sink = (node: Node) => {
    let index = node.index
    for (;;) {
      const left = nodes[2 * index + 1]
      if (left === undefined) break
      const right = nodes[2 * index + 2]
      const child = right !== undefined && isBefore(right, left) ? right : left
      if (!isBefore(child, node)) break
      const below = child.index
      put(child, index)
      index = below
    }
    put(node, index)
  }

  const remove = (node: Node) => {
    const index = node.index
    if (index === -1) return
    node.index = -1
    const last = nodes.pop() as Node
    if (last === node) return
    put(last, index)
    rise(last)
    sink(last)
  }

  return {
    add(due, seq, callback) {
      const node: Node = { due, seq, callback, index: nodes.length, cancel: () => remove(node) }
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
