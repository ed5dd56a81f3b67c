/** Runs `work` for 0, 1, 2 … `count - 1` with at most `callers` at a time. */
export async function inParallel(count, callers, work) {
  let next = 0
  const one = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(callers, count) }, one))
}

/** The value below which the share `p` (0 to 1) of `values` lies. */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN
}

/** Prints what was measured as the last line, and ends the process: a library may hold it open with a timer of its own. */
export function print(values) {
  process.stdout.write(`${JSON.stringify(values)}\n`, () => process.exit(0))
}
