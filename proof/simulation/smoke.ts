import { countImmediates } from './event-loop.ts'
import { simulate } from './simulate.ts'

countImmediates()
const from = Number(process.argv[2] ?? 1),
  to = Number(process.argv[3] ?? from)
const all = new Map<string, number>()
let bad = 0
const c0 = process.cpuUsage()
for (let seed = from; seed <= to; seed++) {
  const r = await simulate(seed)
  for (const [k, v] of r.counts) all.set(k, (all.get(k) ?? 0) + v)
  if (r.violations.length) {
    bad++
    console.log(seed, r.hash, Math.round(r.lastedMs))
    for (const v of r.violations.slice(0, 4)) console.log('   ', v.rule, v.subject, v.text)
  }
  if (from === to) {
    console.log(r.hash, r.lastedMs)
    for (const v of r.violations.slice(0, 1)) console.log(r.timelineOf(v).join('\n'))
  }
}
const c = process.cpuUsage(c0)
console.log('seeds', to - from + 1, 'bad', bad, 'ms each', ((c.user + c.system) / 1000 / (to - from + 1)).toFixed(1))
console.log(
  [...all]
    .sort()
    .map(([k, v]) => `${k}: ${v}`)
    .join(', '),
)
