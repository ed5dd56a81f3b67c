import { type ServiceName, serviceNames } from '@belfry/contracts'
import type { Timer } from '@belfry/service'
import type { RegistryOptions } from '../open.ts'
import { type Instance, type Registry, urlHost } from '../port.ts'
import { createInstanceTable, createRoundRobin, createWatches } from '../table.ts'
import { readConsulUrl } from './address.ts'
import { openConsulClient } from './client.ts'
import { type Entry, readEntry } from './entries.ts'
import { createIgnored } from './ignored.ts'
import { type ConsulRegistration, createRegistration } from './registration.ts'
import { isSignedBy, signInstance } from './signature.ts'
import { createView, spacingMs } from './view.ts'

/** For how long the opening waits for the first answers, milliseconds; without them it goes on with empty lists. */
const firstAnswersMs = 2_000
/** For how long a deregistration waits until the instance has left the own list, and so probably those of others, milliseconds. */
const leavingMs = 1_000
/** For how long it waits after that, milliseconds: other views ask again up to this much later. */
const lingerMs = 2 * spacingMs
/** Consul's limit for a value of the metadata, characters. */
const longestMeta = 512

/**
 * The registry on Consul. Each service is followed by a blocking query. Only instances whose check passes are listed; while
 * Consul is away the last good list stays. Correctness does not depend on it: the balancer's breakers and repeats cover an
 * instance that is listed and gone.
 */
export async function openConsulRegistry(
  url: string,
  options: RegistryOptions & { readonly random?: () => number },
): Promise<Registry> {
  const { clock, log, metrics, health, key, meta = {}, random = Math.random } = options
  const address = readConsulUrl(url)
  const { prefix } = address
  const client = openConsulClient(address)
  const table = createInstanceTable()
  const ignore = createIgnored(log, metrics)
  const registrations = new Map<string, ConsulRegistration>()
  const owned = new Map<ServiceName, Instance>()
  const watches = createWatches(table)
  const nameOf = (service: ServiceName) => `${prefix}-${service}`
  let failure: unknown

  const isValid = (entry: Entry) => key === undefined || isSignedBy(key, prefix, entry.instance, entry.signature)

  const read = (service: ServiceName, entries: readonly unknown[]): Entry[] => {
    const byId = new Map<string, Entry>()
    for (const raw of entries) {
      const entry = readEntry(service, raw)
      if (!entry) ignore(service, raw, 'it is malformed')
      else if (!isValid(entry)) ignore(service, raw, 'its signature is missing or wrong')
      // Two agents may list one id: the one whose check passes counts.
      else if (!byId.get(entry.instance.id)?.isPassing) byId.set(entry.instance.id, entry)
    }
    return [...byId.values()]
  }

  /** An own instance that Consul does not list as it was registered is registered again. */
  const repeatMissing = (service: ServiceName, entries: readonly Entry[]) => {
    for (const { instance, seen } of registrations.values()) {
      if (instance.service !== service) continue
      const isSame = ({ id, host, port }: Instance) =>
        id === instance.id && host === instance.host && port === instance.port
      seen(entries.some((entry) => isSame(entry.instance)))
    }
  }

  const views = serviceNames.map((service) =>
    createView({
      name: nameOf(service),
      client,
      clock,
      random,
      read: (entries) => read(service, entries),
      onChange: (instances) => table.change(service, instances),
      onAnswer: (entries) => {
        repeatMissing(service, entries)
        if (failure === undefined || !views.every((view) => view.isCurrent())) return
        failure = undefined
        log.info('Consul answers again')
      },
      onError: (err) => {
        if (failure === undefined) log.warn({ err }, 'Consul does not answer: the last good lists are in use')
        failure = err
      },
    }),
  )

  const register = async (instance: Instance) => {
    const { service, id, host, port } = instance
    const signed = key === undefined ? {} : { signature: signInstance(key, prefix, instance) }
    const entries = Object.entries({ ...meta, ...instance.meta, ...signed })
    const { ready } = await health.report(false)
    await client.register({
      name: nameOf(service),
      id,
      address: host,
      port,
      tags: [prefix],
      meta: Object.fromEntries(entries.filter(([, value]) => value.length <= longestMeta)),
      checkUrl: `http://${urlHost(host)}:${port}/readyz`,
      isPassing: ready,
    })
  }

  /** Resolves once the instance has left the list, or after `leavingMs`. */
  const hasLeft = ({ service, id }: Instance) =>
    new Promise<void>((resolve) => {
      const isListed = (list: readonly Instance[]) => list.some((one) => one.id === id)
      if (!isListed(table.instances(service))) return resolve()
      let limit: Timer | undefined
      const unwatch = table.watch(service, (list) => {
        if (!isListed(list)) end()
      })
      const end = () => {
        unwatch()
        limit?.cancel()
        resolve()
      }
      limit = clock.callAfter(leavingMs, end)
    })

  metrics.gauge('belfry_registry_instances', 'Instances that calls may go to', ['of'], (gauge) => {
    for (const service of serviceNames) gauge.set({ of: service }, table.instances(service).length)
  })
  metrics.gauge('belfry_registry_up', '1 while Consul answers, else 0: the last good lists are in use', [], (gauge) => {
    gauge.set({}, views.every((view) => view.isCurrent()) ? 1 : 0)
  })
  const check = () => {
    if (views.some((view) => !view.isCurrent())) throw failure ?? new Error('Consul has not answered yet')
    for (const { instance, failure } of registrations.values()) {
      if (failure()) throw new Error(`${instance.id} is not registered`, { cause: failure() })
    }
  }
  health.add('registry', check, { isAdvisory: true })

  await new Promise<void>((resolve) => {
    const limit = clock.callAfter(firstAnswersMs, resolve)
    void Promise.all(views.map((view) => view.start())).then(() => {
      limit.cancel()
      resolve()
    })
  })

  return {
    async register(instance) {
      await registrations.get(instance.id)?.stop()
      const registration = createRegistration({ instance, clock, log, register: () => register(instance) })
      registrations.set(instance.id, registration)
      owned.set(instance.service, instance)
      await registration.start()
    },
    async deregister(instance) {
      const { service, id } = instance
      await registrations.get(id)?.stop()
      registrations.delete(id)
      if (owned.get(service)?.id === id) owned.delete(service)
      try {
        // Once more: the connection of the first try may be one to a Consul that has restarted since.
        await client.deregister(id).catch(() => client.deregister(id))
        await hasLeft(instance)
        await new Promise<void>((resolve) => void clock.callAfter(lingerMs, resolve))
      } catch (err) {
        log.warn({ err, instance: id }, 'the instance could not leave Consul, which drops it when its check fails')
      }
    },
    pick: createRoundRobin(table),
    own: (service) => owned.get(service),
    instances: table.instances,
    watch: watches.watch,
    async close() {
      for (const view of views) view.stop()
      watches.end()
      await Promise.all([...registrations.values()].map((one) => one.stop()))
      client.close()
    },
  }
}
