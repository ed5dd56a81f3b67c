import { Kafka, logLevel } from 'kafkajs'
import mongoose from 'mongoose'
import type { PeerUrls } from './fleet.ts'

async function dropDatabases(name: string, url: string): Promise<void> {
  const connection = await mongoose.createConnection(url, { serverSelectionTimeoutMS: 5_000 }).asPromise()
  try {
    const { databases = [] } = (await connection.db?.admin().listDatabases({ nameOnly: true })) ?? {}
    for (const one of databases.filter((database) => database.name.startsWith(`${name}-`))) {
      await connection.useDb(one.name).dropDatabase()
    }
  } finally {
    await connection.close(true)
  }
}

async function dropTopics(name: string, broker: string): Promise<void> {
  const admin = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${name}.`))
    if (topics.length > 0) await admin.deleteTopics({ topics })
    const { groups } = await admin.listGroups()
    const groupIds = groups.map(({ groupId }) => groupId).filter((groupId) => groupId.includes(`${name}.`))
    // A group whose members were killed is not empty before their session has run out; the broker forgets it later.
    if (groupIds.length > 0) await admin.deleteGroups(groupIds).catch(() => undefined)
  } finally {
    await admin.disconnect()
  }
}

async function deregister(name: string, consul: string): Promise<void> {
  const origin = consul.replace(/\/$/, '')
  const services = (await (await fetch(`${origin}/v1/agent/services`)).json()) as Record<string, { Service: string }>
  for (const [id, { Service }] of Object.entries(services)) {
    if (!Service.startsWith(`${name}-`)) continue
    await fetch(`${origin}/v1/agent/service/deregister/${encodeURIComponent(id)}`, { method: 'PUT' })
  }
}

/** Removes what the processes of a fleet have left on the servers. A server that is away keeps its part. */
export async function removeTraces(name: string, { mongo, kafka, consul }: PeerUrls): Promise<void> {
  await Promise.allSettled([dropDatabases(name, mongo), dropTopics(name, kafka), deregister(name, consul)])
}
