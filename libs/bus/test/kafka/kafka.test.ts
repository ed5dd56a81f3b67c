import { afterAll, describe } from 'vitest'
import { testBus } from '../bus.contract.ts'
import { createKafkaWorld, deadlineMs, kafkaUrl } from './world.ts'

describe.skipIf(kafkaUrl === undefined)('on a real broker', () => {
  const world = createKafkaWorld()
  afterAll(world.close, deadlineMs)
  testBus({ name: 'kafka', open: async () => (await world.open()).bus, timeoutMs: deadlineMs })
})
