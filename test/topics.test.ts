import { uniqueName } from '@belfry/testkit'
import { Kafka, logLevel } from 'kafkajs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually } from '../proof/belfry-process.ts'
import { signUp } from '../proof/caller.ts'
import { fleetPeers, startFleet } from '../proof/fleet.ts'
import { patience } from './flows/fleet-setup.ts'

const peers = fleetPeers()

/** Every message of a topic from its beginning on, as it lies there. */
async function readTopic(broker: string, topic: string) {
  const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).consumer({ groupId: topic })
  const messages: { key: string; value: string }[] = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({
    eachMessage: async ({ message: { key, value } }) => {
      messages.push({ key: String(key), value: String(value) })
    },
  })
  return { messages, close: () => consumer.disconnect() }
}

async function dropTopic(broker: string, topic: string): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
}

describe.runIf(peers)('message on job-execute', () => {
  it('stands on the topic that BELFRY_BUS_TOPIC_EXECUTE names, begins with jobId and jobType, and its key is the jobId', async () => {
    const kafka = peers?.kafka as string
    const topic = `${uniqueName('compat')}.job-execution-requests`
    const env = { ...patience, BELFRY_BUS_TOPIC_EXECUTE: topic }
    const fleet = await startFleet({ peers: peers as NonNullable<typeof peers>, env, deadlineMs: 120_000 })
    onTestFinished(async () => {
      await fleet.stop()
      await dropTopic(kafka, topic)
    })
    const user = await signUp(fleet.url)
    const make = async (more: object) => {
      const made = await user.call<{ id: string }>('POST', '/jobs', { jobType: 'DUMMY', ...more })
      return made.body.id
    }
    // The command of a trigger is job-service's, that of a fire time the scheduler's.
    const triggered = await make({ params: { durationMs: 0 } })
    expect((await user.call('POST', `/jobs/${triggered}/trigger`)).status).toBe(202)
    const planned = await make({ params: { durationMs: 0 }, delay: '1s' })
    const reader = await readTopic(kafka, topic)
    onTestFinished(reader.close)
    for (const id of [triggered, planned]) {
      const message = await eventually('the command', async () => reader.messages.find(({ key }) => key === id))
      expect(message.value.startsWith(`{"jobId":"${id}","jobType":"DUMMY"`)).toBe(true)
      await eventually('the job to run', async () => {
        const { body } = await user.call('GET', `/jobs/${id}/status`)
        return body.status === 'SUCCESS' ? true : undefined
      })
    }
  }, 180_000)
})
