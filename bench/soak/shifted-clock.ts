/**
 * Loaded into a Belfry before anything else (`--import`): its wall clock begins at BENCH_CLOCK_START (epoch milliseconds) and
 * runs BENCH_CLOCK_SPEED times as fast. Timers are left alone. So records become a week old in minutes, by the code that writes them.
 */
const start = Number(process.env.BENCH_CLOCK_START)
const speed = Number(process.env.BENCH_CLOCK_SPEED)
// The start of the process, which its threads share.
const began = performance.timeOrigin

const RealDate = Date
const shifted = () => Math.floor(start + (performance.timeOrigin + performance.now() - began) * speed)

/** A class whose calls without arguments give the shifted time; all else is Date itself. */
globalThis.Date = new Proxy(RealDate, {
  construct(target, args, newTarget) {
    return Reflect.construct(target, args.length === 0 ? [shifted()] : args, newTarget)
  },
  apply: () => new RealDate(shifted()).toString(),
  get: (target, key, receiver) => (key === 'now' ? shifted : Reflect.get(target, key, receiver)),
})
