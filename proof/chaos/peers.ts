import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Peer } from '@belfry/testkit'
import type { PeerUrls } from '../fleet.ts'

const run = promisify(execFile)

/** The script that starts real servers: beside the repository, or named by BELFRY_PEERS. */
const script = resolve(process.env.BELFRY_PEERS ?? join(import.meta.dirname, '../../../shared/peers/peers'))

export const hasPeers = existsSync(script)

/** A set of servers of its own, which may be killed, stopped and wiped. */
export interface Servers {
  readonly urls: PeerUrls
  kill(peer: Peer): Promise<void>
  /** Starts it again with its data; a server that hangs goes on. Tried until it answers. */
  up(peer: Peer): Promise<void>
  pause(peer: Peer): Promise<void>
  /** Stops it, and starts it without its data. */
  wipe(peer: Peer): Promise<void>
  /** Ends all of them, and removes their data. */
  stop(): Promise<void>
}

/** Copies what is installed already, so that nothing is fetched again; data stay behind. */
async function copyInstalled(folder: string): Promise<void> {
  const installed =
    process.env.BELFRY_PEERS_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'belfry-peers')
  const names = await readdir(installed).catch(() => [])
  for (const name of names.filter((one) => !['run', 'lock', 'apt'].includes(one))) {
    await run('cp', ['-a', join(installed, name), folder])
  }
}

/** Starts Kafka, MongoDB and Consul in a temporary folder. */
export async function startServers(): Promise<Servers> {
  const folder = await mkdtemp(join(tmpdir(), 'belfry-chaos-peers-'))
  // The stand-in of MongoDB may run as another user.
  await run('chmod', ['755', folder])
  await copyInstalled(folder)
  const { BELFRY_PEERS_PORT: _, ...inherited } = process.env
  const env = { ...inherited, BELFRY_PEERS_DIR: folder }
  const peers = async (...words: string[]) => (await run(script, words, { env })).stdout

  /** Again and again: on a busy machine a server may not answer in the time that the script gives it. */
  async function repeat(words: string[], tries = 5): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await peers(...words)
      } catch (error) {
        if (attempt === tries) throw error
      }
    }
  }

  async function stop(): Promise<void> {
    await peers('down').catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }

  try {
    const output = await repeat(['up', 'kafka', 'mongo', 'consul'])
    const addressOf = (name: string) => {
      const [, address] = new RegExp(`^export ${name}=(.*)$`, 'm').exec(output) ?? []
      if (!address) throw new Error(`the script peers has given no ${name}`)
      return address
    }
    return {
      urls: {
        kafka: addressOf('BELFRY_TEST_KAFKA'),
        mongo: addressOf('BELFRY_TEST_MONGO'),
        consul: addressOf('BELFRY_TEST_CONSUL'),
      },
      kill: async (peer) => void (await peers('kill', peer)),
      up: async (peer) => void (await repeat(['up', peer])),
      pause: async (peer) => void (await peers('stop', peer)),
      wipe: async (peer) => void (await repeat(['fresh', peer])),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}
