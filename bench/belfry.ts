import { readFile } from 'node:fs/promises'
import { type BelfryProcess, makeDataDir, startBelfry } from '../proof/belfry-process.ts'
import { type Caller, signUp } from '../proof/caller.ts'
import { openProfiles } from './profile.ts'

/** Runs `work` against a fresh standalone Belfry in a process of its own, then stops it and removes its data. */
export async function withBelfry<T>(
  work: (belfry: BelfryProcess, user: Caller) => Promise<T>,
  env: Record<string, string> = {},
): Promise<T> {
  const folder = await makeDataDir()
  const profiles = await openProfiles()
  const belfry = await startBelfry(folder.path, { env: { ...env, ...profiles?.env } })
  try {
    // The first user owns the job hello, whose run would be counted with the others.
    await signUp(belfry.url)
    return await work(belfry, await signUp(belfry.url))
  } finally {
    await belfry.stop()
    await profiles?.print()
    await folder.remove()
  }
}

/** CPU that a process has used, user and system, in seconds (Linux; jiffies of 10 ms). */
export async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Runs `work` for 0, 1, 2 … `count - 1` with at most `callers` at a time. */
export async function inParallel(
  count: number,
  callers: number,
  work: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const one = async () => {
    while (next < count) await work(next++)
  }
  await Promise.all(Array.from({ length: Math.min(callers, count) }, one))
}
