import { createCodec, type IncomingMessage, type PoisonMessage } from '@belfry/bus'
import { jobChangesMessage, jobExecuteMessage, jobStatusMessage, type Topic } from '@belfry/contracts'
import { createRandom } from '../random.ts'
import type { FuzzTarget } from './campaign.ts'
import { bytesOf, type ContractInput, createContractInputs } from './contract-inputs.ts'
import type { System } from './system.ts'

const schemas = {
  'job-changes': jobChangesMessage,
  'job-execute': jobExecuteMessage,
  'job-status': jobStatusMessage,
} as const
type FuzzedTopic = keyof typeof schemas

/** The shortest interval of a valid message, milliseconds: the API takes none that would fill the executor. */
const shortestMs = 3_600_000

/** Schedules far apart: thousands of made-up jobs would otherwise run all the time. */
function spreadOut(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) spreadOut(member)
  if ('everyMs' in value && typeof value.everyMs === 'number') value.everyMs = Math.max(value.everyMs, shortestMs)
  if ('cron' in value) value.cron = `0 0 ${1 + (String(value.cron).length % 28)} 1 *`
  return value
}

/** Messages as bytes of a broker: through the codec, over the bus of the process, into the consumers of the services. */
export function createBusTarget({ bus, base }: System): FuzzTarget<ContractInput> {
  const codec = createCodec({ clock: base.clock, ids: base.ids, sender: 'fuzz' })
  const topics = Object.keys(schemas) as FuzzedTopic[]
  const draws = topics.map((topic) => createContractInputs(topic, schemas[topic], spreadOut))
  return {
    name: 'bus',
    callers: 16,
    draw(seed) {
      const random = createRandom(seed)
      return random.oneOf(draws)(random)
    },
    async run(input) {
      const topic = input.name as Topic
      const poison: PoisonMessage[] = []
      const headers = { version: '1', id: 'fuzz', type: topic, time: '1', sender: 'fuzz' }
      const message = { key: 'fuzz', value: bytesOf(input), headers, partition: 0, offset: '1' }
      const subscriber = {
        onPoison: async (list: readonly PoisonMessage[]) => void poison.push(...list),
        onBatch: (list: readonly IncomingMessage[]) => bus.publish(topic, list),
      }
      await codec.deliver(topic, 'fuzz', subscriber, [message])
      return input.class === 'valid' && poison.length > 0
        ? `a valid message is poison: ${poison[0]?.reason}`
        : undefined
    },
  }
}
