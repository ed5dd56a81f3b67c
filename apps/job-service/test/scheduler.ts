import type { AddressInfo } from 'node:net'
import {
  type FireLogReply,
  fireLogBody,
  fireLogReply,
  type MissedReply,
  missedBody,
  missedReply,
  type ScheduleRunsReply,
  scheduleRunsReply,
  scheduleVersionsBody,
  scheduleVersionsReply,
} from '@belfry/contracts'
import type { Instance, Registry } from '@belfry/discovery'
import { createHttpApp, type ServiceTokens } from '@belfry/http'
import type { ServiceDeps } from '@belfry/service'

/** The scheduler for job-service: it answers its calls, and has applied what `versionOf` says. */
export async function openScheduler(
  deps: ServiceDeps,
  registry: Registry,
  serviceTokens: ServiceTokens,
  versionOf: (jobId: string) => number | undefined,
) {
  const app = createHttpApp({ service: 'scheduler-service', deps, tokens: null, serviceTokens })
  const config = { access: 'service' } as const
  const state = {
    /** Jobs whose version was asked for. */
    versionAsks: [] as string[],
    /** How far schedules have come. */
    runs: [] as ScheduleRunsReply['data'],
    /** How often that was asked. */
    runsAsks: 0,
    /** Ranges by job, newest first. */
    /** Missed fire times of all jobs, in the order in which they were logged. */
    missed: [] as MissedReply['data'],
    fireLogs: new Map<string, FireLogReply['data']>(),
  }
  const versions = { body: scheduleVersionsBody, response: { 200: scheduleVersionsReply } }
  app.post('/internal/schedules/versions', { schema: versions, config }, async ({ body: { ids } }) => {
    state.versionAsks.push(...ids)
    return { data: ids.map((id) => ({ id, version: versionOf(id) ?? 0 })).filter(({ version }) => version > 0) }
  })
  const runs = { body: scheduleVersionsBody, response: { 200: scheduleRunsReply } }
  app.post('/internal/schedules/runs', { schema: runs, config }, async ({ body: { ids } }) => {
    state.runsAsks += 1
    return { data: state.runs.filter(({ id }) => ids.includes(id)) }
  })
  const fireLog = { body: fireLogBody, response: { 200: fireLogReply } }
  app.post('/internal/fire-log/list', { schema: fireLog, config }, async ({ body }) => {
    const { jobId, limit, after, decision, from = 0, to = Number.MAX_SAFE_INTEGER } = body
    const ranges = (state.fireLogs.get(jobId) ?? []).filter(
      (range) => range.to >= from && range.from <= to && range.decision === (decision ?? range.decision),
    )
    const begin = after
      ? ranges.findIndex(({ from, decision }) => from === after.from && decision === after.decision) + 1
      : 0
    return { data: ranges.slice(begin, begin + limit) }
  })
  const missed = { body: missedBody, response: { 200: missedReply } }
  app.post('/internal/fire-log/missed', { schema: missed, config }, async ({ body: { after, limit } }) => {
    const data = state.missed.filter(({ at, id }) => at > after.at || (at === after.at && id > after.id))
    return { data: data.slice(0, limit), now: deps.clock.now() }
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const instance: Instance = { service: 'scheduler-service', id: `scheduler-${port}`, host: '127.0.0.1', port }
  await registry.register(instance)
  return {
    state,
    join: () => registry.register(instance),
    leave: () => registry.deregister(instance),
    close: () => app.close(),
  }
}
