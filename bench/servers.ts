import { readdir, readFile, readlink } from 'node:fs/promises'
import mongoose from 'mongoose'
import type { PeerUrls } from '../proof/fleet.ts'

/** What answers at the address of MongoDB, with its version. A stand-in is named as one. */
export async function nameOfMongo(url: string): Promise<string> {
  const connection = await mongoose.createConnection(url, { serverSelectionTimeoutMS: 5_000 }).asPromise()
  try {
    const info = (await connection.db?.admin().buildInfo()) ?? {}
    const version = (info.ferretdb as { version?: string } | undefined)?.version
    return version
      ? `FerretDB ${version} on PostgreSQL, a stand-in for MongoDB: no figure of MongoDB follows`
      : `MongoDB ${info.version}`
  } finally {
    await connection.close(true)
  }
}

interface ProcessStat {
  readonly parent: number
  /** User and system time of the process and of its children that have ended, seconds. */
  readonly cpu: number
}

async function readStat(pid: number): Promise<ProcessStat | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields.length < 15) return undefined
  const jiffies = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0)
  return { parent: Number(fields[1]), cpu: jiffies / 100 }
}

async function pids(): Promise<number[]> {
  const names = await readdir('/proc').catch(() => [])
  return names.filter((name) => /^\d+$/.test(name)).map(Number)
}

/** The sockets that listen on a port, by their numbers (Linux). */
async function listeningSockets(port: number): Promise<Set<string>> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/net/${name}`, 'utf8').catch(() => '')))
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const rows = tables.flatMap((table) => table.split('\n').map((line) => line.trim().split(/\s+/)))
  return new Set(rows.filter((row) => row[1]?.endsWith(`:${hex}`) && row[3] === '0A').map((row) => row[9] ?? ''))
}

/** The process that listens on a port of this machine; undefined where it cannot be seen. */
async function listenerOf(port: number): Promise<number | undefined> {
  const sockets = await listeningSockets(port)
  for (const pid of await pids()) {
    const files = await readdir(`/proc/${pid}/fd`).catch(() => [])
    for (const file of files) {
      const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '')
      const socket = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (socket && sockets.has(socket)) return pid
    }
  }
  return undefined
}

const portOf = (address: string) => Number(/:(\d+)\/?$/.exec(address)?.[1] ?? 0)

/** The port of the PostgreSQL behind a FerretDB, from its command line. */
async function postgresPort(ferret: number): Promise<number> {
  const line = await readFile(`/proc/${ferret}/cmdline`, 'utf8').catch(() => '')
  return Number(/--postgresql-url=postgres:\/\/[^/]*:(\d+)/.exec(line)?.[1] ?? 0)
}

/** The servers' processes on this machine, by name. What runs elsewhere is left out. */
export async function serverProcesses({ kafka, mongo, consul }: PeerUrls): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const add = async (name: string, port: number) => {
    const pid = port > 0 ? await listenerOf(port) : undefined
    if (pid !== undefined) found.set(name, pid)
  }
  await add('kafka', portOf(kafka))
  await add('mongo', portOf(mongo))
  await add('consul', portOf(consul))
  await add('postgres', await postgresPort(found.get('mongo') ?? 0))
  return found
}

/** CPU that a process and all that it started have used, seconds (Linux). */
export async function treeCpuSeconds(root: number): Promise<number> {
  const stats = new Map<number, ProcessStat>()
  for (const pid of await pids()) {
    const stat = await readStat(pid)
    if (stat) stats.set(pid, stat)
  }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = stats.get(at)?.parent)
      if (at === root) return true
    return false
  }
  return [...stats].filter(([pid]) => isBelow(pid)).reduce((sum, [, { cpu }]) => sum + cpu, 0)
}

/** Prints the mean size of the documents in each collection of the databases that begin with `name`, from up to 200 of each. */
export async function printDocumentSizes(url: string, name: string): Promise<void> {
  const connection = await mongoose.createConnection(url, { serverSelectionTimeoutMS: 5_000 }).asPromise()
  try {
    const { databases = [] } = (await connection.db?.admin().listDatabases({ nameOnly: true })) ?? {}
    for (const database of databases.filter((one) => one.name.startsWith(`${name}-`))) {
      const { db } = connection.useDb(database.name)
      for (const collection of (await db?.collections()) ?? []) {
        const documents = await collection.find({}, { limit: 200 }).toArray()
        if (documents.length === 0) continue
        const sizes = documents.map((one) => mongoose.mongo.BSON.calculateObjectSize(one))
        const mean = sizes.reduce((sum, size) => sum + size, 0) / sizes.length
        console.log(
          `  ${database.name.slice(name.length + 1)}.${collection.collectionName}: ${mean.toFixed(0)} B a document`,
        )
      }
    }
  } finally {
    await connection.close(true)
  }
}

const serverVariables = ['BELFRY_TEST_KAFKA', 'BELFRY_TEST_MONGO', 'BELFRY_TEST_CONSUL'] as const

/** The variables of the servers of the distributed mode that are not set. */
export function missingServers(env: NodeJS.ProcessEnv = process.env): string[] {
  return serverVariables.filter((name) => !env[name])
}
