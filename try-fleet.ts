import { startFleet, fleetPeers } from './proof/fleet.ts'
import { signUp } from './proof/caller.ts'
const peers = fleetPeers()!
const t0 = performance.now()
const fleet = await startFleet({ peers, instances: { 'job-service': 2, 'scheduler-service': 2, 'executor-service': 2 } })
console.log('up', Math.round(performance.now() - t0), fleet.url)
try {
  const user = await signUp(fleet.url)
  const t = performance.now()
  const made = await user.call<any>('POST', '/jobs', { jobType: 'DUMMY', params: { durationMs: 100 }, schedule: '* * * * * *' })
  console.log(made.status, Math.round(performance.now() - t))
  for (let i = 0; i < 10; i++) { const r = await user.call<any>('POST', `/jobs/${made.body.id}/trigger`); if (r.status !== 202) console.log(r.status, r.body) }
  await new Promise((r) => setTimeout(r, 6000))
  const list = await user.call<any>('GET', `/jobs/${made.body.id}/executions?limit=50`)
  console.log(list.status, list.body.data?.map((x: any) => [x.status, x.latenessMs, x.trigger ?? x.cause]))
  const sys = await fetch(fleet.url + '/system/services'); console.log(sys.status, JSON.stringify(await sys.json()).slice(0, 1500))
  const c = await user.call<any>('POST', `/jobs/${made.body.id}/cancel`); console.log(c.status, JSON.stringify(c.body).slice(0,200))
} finally {
  for (const m of fleet.members) { const e = m.output().split('\n').filter((l) => /"level":"(error|warn|fatal)"/.test(l)); if (e.length) console.log(m.service, m.index, e.slice(0,6)) }
  const s = performance.now(); await fleet.stop(); console.log('stopped', Math.round(performance.now() - s))
}
