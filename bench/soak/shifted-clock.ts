/**
 * Loaded into a Belfry before anything else (`--import`): its wall clock begins at BENCH_CLOCK_START (epoch milliseconds) and
 * runs BENCH_CLOCK_SPEED times as fast. Timers are left alone. So records become a week old in minutes, by the code that writes them.
 */
const start = Number(process.env.BENCH_CLOCK_START)
const speed = Number(process.env.BENCH_CLOCK_SPEED)
// The start of the process, for its threads too: their own `performance` begins later.
const began = performance.timeOrigin

const RealDate = Date
const shifted = () => Math.floor(start + (performance.timeOrigin + performance.now() - began) * speed)

/** Without arguments it is the shifted time; all else is Date itself. */
class ShiftedDate extends RealDate {
  constructor(...args: readonly unknown[]) {
    super(...((args.length === 0 ? [shifted()] : args) as [number]))
  }
  static override now(): number {
    return shifted()
  }
}

globalThis.Date = ShiftedDate as DateConstructor
