import type { AddressInfo } from 'node:net'
import { type Bus, ignorePoison } from '@belfry/bus'
import {
  changesQuery,
  executionChangesPage,
  executionsReply,
  type FenceReply,
  fenceBody,
  fenceReply,
  fetchBody,
  type JobExecuteMessage,
  type JobStatusMessage,
  type JobType,
} from '@belfry/contracts'
import type { Instance, Registry } from '@belfry/discovery'
import { createHttpApp, type ServiceTokens } from '@belfry/http'
import type { ServiceDeps } from '@belfry/service'
import { z } from 'zod'
import { typeList } from './job-types.ts'

interface Recorded {
  readonly message: JobStatusMessage
  readonly changeNo: number
}

/**
 * The executors for job-service: they take commands from the bus, answer its calls, and publish job-status. They run nothing: a
 * test records the state of an execution.
 */
export async function openExecutor(deps: ServiceDeps, bus: Bus, registry: Registry, serviceTokens: ServiceTokens) {
  const app = createHttpApp({ service: 'executor-service', deps, tokens: null, serviceTokens })
  const service = { access: 'service' } as const
  const recorded = new Map<string, Recorded>()
  let head = 0
  const state = {
    commands: [] as JobExecuteMessage[],
    fences: [] as { jobId: string; versions: number[] }[],
    types: typeList as JobType[],
    typeAsks: 0,
    inFlight: [] as FenceReply['inFlight'],
    takesCommands: true,
    /** A fence waits for it before it is answered. */
    fenceAnswers: Promise.resolve(),
  }

  app.get('/internal/job-types', { schema: {}, config: service }, () => {
    state.typeAsks += 1
    return { data: state.types }
  })
  const admissions = { params: z.object({ id: z.string() }), body: fenceBody, response: { 200: fenceReply } }
  app.put('/internal/admissions/:id', { schema: admissions, config: service }, async (request) => {
    const versions = request.body.changes.map((change) => change.version)
    state.fences.push({ jobId: request.params.id, versions })
    await state.fenceAnswers
    return { fencedVersion: Math.max(...versions), inFlight: state.inFlight }
  })
  const changes = { querystring: changesQuery, response: { 200: executionChangesPage } }
  app.get('/internal/executions/changes', { schema: changes, config: service }, async ({ query }) => {
    const data = [...recorded.values()]
      .map(({ message, changeNo }) => ({ id: message.executionId, seq: message.seq, changeNo }))
      .filter(({ changeNo }) => changeNo > query.after)
      .sort((a, b) => a.changeNo - b.changeNo)
      .slice(0, query.limit)
    return { data, head, hasMore: data.length === query.limit }
  })
  const fetch = { body: fetchBody, response: { 200: executionsReply } }
  app.post('/internal/executions/fetch', { schema: fetch, config: service }, async (request) => ({
    data: request.body.ids.flatMap((id) => recorded.get(id)?.message ?? []),
    left: [],
    unreadable: [],
  }))

  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const instance: Instance = { service: 'executor-service', id: `executor-${port}`, host: '127.0.0.1', port }
  const subscription = await bus.subscribe('job-execute', 'executor-service', {
    onBatch: async (messages) => {
      if (!state.takesCommands) throw new Error('the disk of the executor is full')
      state.commands.push(...messages.map((message) => message.value))
    },
    onPoison: ignorePoison,
  })

  return {
    state,
    /** Others can reach it, or not any more. */
    join: () => registry.register(instance),
    leave: () => registry.deregister(instance),
    /** Stores a state of an execution; `publish` also publishes it. */
    record(message: JobStatusMessage) {
      head += 1
      recorded.set(message.executionId, { message, changeNo: head })
    },
    async publish(...messages: JobStatusMessage[]) {
      for (const message of messages) this.record(message)
      await bus.publish(
        'job-status',
        messages.map((value) => ({ key: value.jobId, value })),
      )
    },
    async close() {
      await subscription.stop()
      await app.close()
    },
  }
}
