import type { ServiceName } from '@belfry/contracts'
import {
  type Registry,
  type RestClient,
  type RestRequest,
  type RestResponse,
  ServiceCallError,
} from '@belfry/discovery'
import type { HttpApp } from '@belfry/http'
import type { Random } from '../random.ts'
import type { EventLoop } from './event-loop.ts'
import { type Faults, hopMs } from './faults.ts'
import type { Machine } from './machine.ts'

/** What listens at an address: the app of one life of a process. */
interface Listening {
  readonly process: string
  readonly machine: Machine
  readonly app: HttpApp
}

/** One request as it arrives. */
interface Sent {
  readonly method: RestRequest['method']
  readonly path: string
  readonly body?: unknown
  readonly token: string
  readonly headers?: Readonly<Record<string, string>>
  readonly deadlineMs: number
}

/** The network between the processes of a world, and the callers. */
export interface Network {
  listen(instance: string, listening: Listening): void
  /** A call from a process to an instance; rejects with a `ServiceCallError`. */
  call(from: { process: string; machine: Machine }, instance: string, sent: Sent): Promise<RestResponse>
  /** The REST client of a process. */
  clientOf(from: { process: string; machine: Machine }, service: ServiceName, registry: Registry): RestClient
}

/** The token of a service or a user: three parts, as a JWT has, and no signature. */
export const tokenOf = (name: string) => `${name}.t.s`

const refused = () => new ServiceCallError('refused', 'the connection was refused', { isUnsent: true })
const broken = () => new ServiceCallError('refused', 'the connection broke')

export function createNetwork(options: {
  readonly loop: EventLoop
  readonly random: Random
  readonly faults: Faults
}): Network {
  const { loop, random, faults } = options
  const listeners = new Map<string, Listening>()

  async function answerOf({ app }: Listening, { method, path, body, token, headers }: Sent): Promise<RestResponse> {
    const answer = await app.inject({
      method,
      url: path,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    })
    const text = answer.body
    return {
      status: answer.statusCode,
      headers: answer.headers as RestResponse['headers'],
      body: text === '' ? null : JSON.parse(text),
    }
  }

  const network: Network = {
    listen: (instance, listening) => void listeners.set(instance, listening),
    call: ({ process, machine }, instance, sent) =>
      new Promise((resolve, reject) => {
        if (!machine.isAlive) return
        const deadline = machine.clock.callAfter(sent.deadlineMs, () =>
          reject(new ServiceCallError('timeout', `no answer within ${sent.deadlineMs} ms`)),
        )
        const back = (delayMs: number, give: () => void) =>
          loop.after(delayMs, () =>
            machine.deliver(() => {
              deadline.cancel()
              give()
            }),
          )
        const fail = (error: Error) => back(hopMs(random), () => reject(error))
        const target = listeners.get(instance)
        if (!target?.machine.isAlive) return fail(refused())
        // A cut link swallows everything: the caller learns of it by its deadline.
        if (faults.isCut(process, target.process)) return
        if (faults.strikes('callRefused')) return fail(refused())
        const isLost = faults.strikes('callAnswerLost')
        const lateMs = faults.strikes('callSlow') ? random.fraction() * random.fraction() * 8_000 : 0
        const arrive = () => {
          if (!target.machine.isAlive) return fail(broken())
          target.machine.deliver(() => {
            answerOf(target, sent).then(
              (answer) => {
                if (isLost || faults.isCut(process, target.process)) fail(broken())
                else back(hopMs(random) + (random.chance(0.5) ? lateMs : 0), () => resolve(answer))
              },
              () => fail(broken()),
            )
          })
        }
        loop.after(hopMs(random) + (random.chance(0.5) ? lateMs : 0), arrive)
      }),
    clientOf: (from, service, registry) => ({
      async request({ service: target, instance, method, path, body, token, headers, deadlineMs = 5_000 }) {
        const id = instance ?? registry.pick(target)?.id
        if (id === undefined) throw new ServiceCallError('no-instance', `${target} has no instance`)
        const sent = { method, path, body, token: token ?? tokenOf(service), deadlineMs, ...(headers && { headers }) }
        return network.call(from, id, sent)
      },
    }),
  }
  return network
}
