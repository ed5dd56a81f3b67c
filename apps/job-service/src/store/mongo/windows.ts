/** A part of a list by one numeric field; both ends belong to it. */
export interface Window {
  readonly from: number
  readonly to: number
}

/** Each window is so many times as wide as the one before it. */
const growth = 32

const { MIN_SAFE_INTEGER: lowest, MAX_SAFE_INTEGER: highest } = Number

/**
 * Windows that cover everything up to `to`, the newest first. Above `newest` there is next to nothing, so the first one begins
 * `width` below the lower of the two.
 */
export function* windowsDown(to: number, newest: number, width: number): Generator<Window> {
  let upper = to
  for (let from = Math.min(to, newest) - width, wide = width; from > 0; from -= wide) {
    yield { from, to: upper }
    upper = from - 1
    wide *= growth
  }
  yield { from: lowest, to: upper }
}

/** The same, down to `from`. */
export function* windowsDownTo(from: number, to: number, newest: number, width: number): Generator<Window> {
  for (const window of windowsDown(to, newest, width)) {
    if (window.to < from) return
    yield { from: Math.max(window.from, from), to: window.to }
  }
}

/** Windows that cover `from` up to `to`, the oldest first. Below `oldest` there is next to nothing. */
export function* windowsUp(from: number, to: number, oldest: number, width: number): Generator<Window> {
  let lower = from
  for (let upper = Math.max(from, oldest) + width, wide = width; upper < to; upper += wide) {
    yield { from: lower, to: upper }
    lower = upper + 1
    wide *= growth
  }
  yield { from: lower, to }
}

/**
 * The first `limit` rows of a list, read window by window: an index that serves a filter but no sort then sorts no more than
 * about `growth` pages. `read` gives the first rows of one window, in order.
 */
export async function readWindows<T>(
  windows: Iterable<Window>,
  limit: number,
  read: (window: Window, limit: number) => Promise<readonly T[]>,
): Promise<T[]> {
  const rows: T[] = []
  for (const window of windows) {
    rows.push(...(await read(window, limit - rows.length)))
    if (rows.length >= limit) break
  }
  return rows
}

export const everything: Window = { from: lowest, to: highest }
