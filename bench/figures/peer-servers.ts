import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chown, constants, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { collectOutput, eventually } from '../../proof/belfry-process.ts'

/** A server of a peer on a free port of loopback, with data in a folder of its own. */
export interface PeerServer {
  readonly url: string
  /** Ends the server and removes its data. */
  stop(): Promise<void>
}

/** Where Debian installs the programs of PostgreSQL, beside the folders of PATH. */
async function debianFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql'
  const versions = await readdir(root).catch(() => [])
  return versions.sort((one, other) => Number(other) - Number(one)).map((version) => join(root, version, 'bin'))
}

/** The path of a program; undefined where it is not installed. */
async function findProgram(name: string): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...(await debianFolders())]
  for (const folder of folders) {
    const path = join(folder, name)
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const address = server.address()
  await new Promise((closed) => server.close(closed))
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill(signal)
  await gone
}

/** Waits until a server says that it answers, as Redis and PostgreSQL do in the same words; rejects with its output when it ends before. */
async function untilReady(name: string, child: ChildProcess): Promise<void> {
  const output = collectOutput(child)
  await eventually(
    `${name} to be ready`,
    async () => {
      if (child.exitCode !== null) throw new Error(`${name} ended:\n${output()}`)
      return /ready to accept connections/i.test(output()) ? true : undefined
    },
    60_000,
  )
}

/** Runs a program to its end; whether it succeeded. */
async function succeeds(program: string, args: readonly string[], owner: Owner): Promise<boolean> {
  const child = spawn(program, args, { ...owner, stdio: 'ignore', env: { PATH: process.env.PATH } })
  const [code] = await once(child, 'exit')
  return code === 0
}

interface Owner {
  readonly uid?: number
  readonly gid?: number
}

/** A user that PostgreSQL runs as: it refuses root. */
async function unprivileged(): Promise<Owner> {
  if (process.getuid?.() !== 0) return {}
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  const user = users.find(([name]) => name === 'postgres') ?? users.find(([name]) => name === 'nobody')
  if (!user) throw new Error('PostgreSQL does not run as root, and there is no user "postgres" or "nobody"')
  return { uid: Number(user[2]), gid: Number(user[3]) }
}

/**
 * Redis whose answer to a write comes after its fsync, as Belfry's does; `everysec` is what most installations have.
 * Undefined where no program `redis-server` or `valkey-server` is found.
 */
export async function startRedis(fsync: 'always' | 'everysec' = 'always'): Promise<PeerServer | undefined> {
  const program = (await findProgram('redis-server')) ?? (await findProgram('valkey-server'))
  if (program === undefined) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'belfry-redis-'))
  const port = await freePort()
  const settings = {
    port,
    bind: '127.0.0.1',
    dir: folder,
    appendonly: 'yes',
    appendfsync: fsync,
    save: '',
    // What BullMQ demands: a queue loses nothing to make room.
    'maxmemory-policy': 'noeviction',
  }
  const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)])
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  await untilReady('Redis', child)
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      await end(child, 'SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Settings of PostgreSQL for a machine of 2 cores and a load of writes; each commit is fsynced before its answer. */
const postgresSettings = {
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '512MB',
  // No checkpoint during a measurement of seconds, as Belfry has none either.
  max_wal_size: '4GB',
  wal_buffers: '16MB',
  max_connections: '60',
  unix_socket_directories: '',
  listen_addresses: '127.0.0.1',
}

/** PostgreSQL with an empty database; undefined where `initdb` and `postgres` are not found. */
export async function startPostgres(): Promise<PeerServer | undefined> {
  const [initdb, postgres] = [await findProgram('initdb'), await findProgram('postgres')]
  if (initdb === undefined || postgres === undefined) return undefined
  const owner = await unprivileged()
  const folder = await mkdtemp(join(tmpdir(), 'belfry-postgres-'))
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const made = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync']
  if (!(await succeeds(initdb, made, owner))) throw new Error(`${initdb} failed`)
  const port = await freePort()
  const settings = Object.entries({ ...postgresSettings, port }).flatMap(([key, value]) => ['-c', `${key}=${value}`])
  const child = spawn(postgres, ['-D', data, ...settings], {
    ...owner,
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH },
  })
  await untilReady('PostgreSQL', child)
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      // SIGINT: sessions are ended, and the shared memory is given back.
      await end(child, 'SIGINT')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
