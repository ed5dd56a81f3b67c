import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageError } from '../src/index.ts'
import { type HeldLock, lockDataFolder } from '../src/sqlite/index.ts'

const holder = fileURLToPath(new URL('./holder.ts', import.meta.url))

describe('the lock on the data folder', () => {
  let parent: string
  let folder: string
  let child: ChildProcess | null = null
  const held: HeldLock[] = []
  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), 'belfry-lock-'))
    folder = join(parent, 'data')
  })
  afterEach(async () => {
    if (child) await kill(child)
    for (const lock of held.splice(0)) lock.release()
    rmSync(parent, { recursive: true })
  })

  async function holdElsewhere(flags: string[] = []): Promise<void> {
    child = spawn(process.execPath, [...flags, holder, folder], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [said] = await once(child.stdout as NodeJS.ReadableStream, 'data')
    expect(String(said)).toBe('held\n')
  }

  async function kill(process: ChildProcess): Promise<void> {
    const gone = once(process, 'exit')
    process.kill('SIGKILL')
    await gone
    child = null
  }

  function take() {
    const lock = lockDataFolder(folder)
    if (lock.held) held.push(lock)
    return lock
  }

  function refusal(): StorageError {
    try {
      take()
    } catch (error) {
      expect(error).toBeInstanceOf(StorageError)
      return error as StorageError
    }
    throw new Error('the lock was given')
  }

  it('makes a folder and files that only their owner can read', () => {
    const lock = take()
    if (lock.held) lock.announce('http://127.0.0.1:8080')
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of ['belfry.lock', 'belfry.address']) {
      expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    }
  })

  it('makes the folders above it too', () => {
    folder = join(parent, 'var', 'lib', 'belfry')
    expect(take().held).toBe(true)
  })

  it('closes an empty folder to others, and leaves a shared one as it is', () => {
    mkdirSync(folder)
    chmodSync(folder, 0o755)
    take()
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    held.pop()?.release()
    chmodSync(folder, 0o755)
    take()
    expect(statSync(folder).mode & 0o777).toBe(0o755)
  })

  it('gives a second process the address of the first', async () => {
    await holdElsewhere()
    expect(take()).toEqual({ held: false, address: 'http://127.0.0.1:8080' })
  })

  it('holds although no code keeps the handle, and although this process tries again', async () => {
    await holdElsewhere(['--expose-gc'])
    expect(take()).toMatchObject({ held: false })
    child?.stdin?.write('try again\n')
    await once(child?.stdout as NodeJS.ReadableStream, 'data')
    expect(take()).toMatchObject({ held: false })
  })

  it('is free the moment its process is killed, and the old address goes when the holder says so', async () => {
    await holdElsewhere()
    if (child) await kill(child)
    const lock = take() as HeldLock
    expect(take()).toEqual({ held: false, address: 'http://127.0.0.1:8080' })
    lock.forgetAddress()
    expect(take()).toEqual({ held: false, address: null })
  })

  it('leaves the address of the process whose lock file was deleted', async () => {
    await holdElsewhere()
    rmSync(join(folder, 'belfry.lock'))
    const lock = take() as HeldLock
    lock.release()
    expect(existsSync(join(folder, 'belfry.address'))).toBe(true)
  })

  it('can be taken again after it was released, and released twice', () => {
    const first = take() as HeldLock
    first.announce('http://127.0.0.1:8080')
    first.release()
    first.release()
    expect(existsSync(join(folder, 'belfry.address'))).toBe(false)
    expect(take().held).toBe(true)
  })

  it('says so when the folder is a file', () => {
    writeFileSync(folder, '')
    expect(refusal().message).toBe(`The data folder ${folder} cannot be used: it is a file, not a folder`)
    rmSync(folder)
    writeFileSync(join(parent, 'plain'), '')
    folder = join(parent, 'plain', 'data')
    expect(refusal().message).toContain('a part of its path is a file')
  })

  // The kernel refuses this even to root, so the test holds for every user.
  it.runIf(existsSync('/sys/kernel'))('says so when the folder may not be written', () => {
    folder = '/sys/kernel/belfry'
    expect(refusal().message).toBe(
      'The data folder /sys/kernel/belfry cannot be used: it may not be read or written by this user',
    )
  })
})
