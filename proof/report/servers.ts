import mongoose from 'mongoose'
import type { PeerUrls } from '../fleet.ts'

interface BuildInfo {
  readonly version: string
  readonly ferretdb?: { readonly version: string }
}

async function describeMongo(url: string): Promise<string> {
  const client = new mongoose.mongo.MongoClient(url, { serverSelectionTimeoutMS: 5_000 })
  try {
    const { version, ferretdb } = (await client.db('admin').command({ buildInfo: 1 })) as unknown as BuildInfo
    return ferretdb ? `FerretDB ${ferretdb.version} in MongoDB's place` : `MongoDB ${version}`
  } finally {
    await client.close()
  }
}

async function describeConsul(url: string): Promise<string> {
  const answer = await fetch(new URL('/v1/agent/self', url))
  const { Config } = (await answer.json()) as { Config: { Version: string } }
  return `Consul ${Config.Version}`
}

/** The real servers of a run, by product and version. Kafka does not say its version over its protocol. */
export async function describeServers({ mongo: mongoUrl, consul }: PeerUrls): Promise<string> {
  const [database, registry] = await Promise.all([describeMongo(mongoUrl), describeConsul(consul)])
  return `Kafka, ${database}, ${registry}`
}
