import type { AddressInfo } from 'node:net'
import { type Bus, ignorePoison } from '@belfry/bus'
import {
  cancelExecutionBody,
  changesQuery,
  executionChangesPage,
  executionsReply,
  type FenceReply,
  fenceBody,
  fenceReply,
  fetchBody,
  isFinal,
  type JobExecuteMessage,
  type JobStatusMessage,
  type JobType,
  refusal,
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

/** What an executor stores of a command. */
function commandStatus(command: JobExecuteMessage): JobStatusMessage {
  const { executionId, jobId, ownerId, jobType, version, cause, fireAt, plannedAt, retryOf = null } = command
  const none = { attempts: [], failures: 0, losses: 0, cancelRequested: false, blockedBy: null, retryOf }
  const notYet = { sentAt: null, admittedAt: null, startedAt: null, endedAt: null }
  return {
    ...{ executionId, jobId, ownerId, jobType, version, cause, fireAt, ...none },
    ...{ seq: 1, state: 'ready', runAt: fireAt, epoch: 0, result: null, error: null, artifacts: [] },
    timeline: { plannedAt, ...notYet, topic: null, partition: null, offset: null },
  }
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
    /** Executions that were to be cancelled. */
    cancels: [] as { id: string; hasCommand: boolean }[],
    inFlight: [] as FenceReply['inFlight'],
    takesCommands: true,
    /** Commands wait for it before they are taken. */
    commandsTaken: Promise.resolve(),
    /** A fence waits for it before it is answered. */
    fenceAnswers: Promise.resolve(),
  }

  const record = (message: JobStatusMessage) => {
    head += 1
    recorded.set(message.executionId, { message, changeNo: head })
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
  const cancels = { params: z.object({ id: z.string() }), body: cancelExecutionBody }
  app.put('/internal/executions/:id/cancel', { schema: cancels, config: service }, async (request, reply) => {
    const { id } = request.params
    const { command } = request.body
    state.cancels.push({ id, hasCommand: command !== null })
    const known = recorded.get(id)?.message ?? (command && commandStatus(command))
    if (!known) return reply.refuse(refusal('not-found', 'there is no such execution'))
    const isCancelled = known.state === 'cancelled' && known.cancelRequested
    if (isFinal(known) && !isCancelled) return reply.refuse(refusal('illegal-transition', 'it has ended'))
    const next = known.state === 'running' ? 'running' : 'cancelled'
    const message = { ...known, seq: known.seq + 1, state: next, cancelRequested: true } as const
    if (!isCancelled) record(message)
    return recorded.get(id)?.message
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
      await state.commandsTaken
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
    record,
    async publish(...messages: JobStatusMessage[]) {
      for (const message of messages) record(message)
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
