import { execFileSync } from 'node:child_process'
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { percentile, round } from '../report.ts'

/** What a figure was measured on and with. */
export interface Machine {
  /** ISO 8601. */
  readonly date: string
  /** The commit of the working copy; `+` behind it where files differ from it. */
  readonly commit: string
  readonly node: string
  readonly cores: number
  readonly cpu: string
  /** How many processes ran or waited in the minute before, on average. */
  readonly loadBefore: number
  /** A write of 4 KiB and its fdatasync in the folder of the data, median, milliseconds. */
  readonly fsyncMs: number
}

function commitOf(): string {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+'}`
  } catch {
    return 'unknown'
  }
}

/** Measures the disk that every durable answer waits for. */
function measureFsync(): number {
  const file = join(tmpdir(), `belfry-fsync-${process.pid}`)
  const handle = openSync(file, 'w')
  const page = Buffer.alloc(4096)
  const tookMs: number[] = []
  for (let at = 0; at < 200; at++) {
    const begun = performance.now()
    writeSync(handle, page)
    fdatasyncSync(handle)
    tookMs.push(performance.now() - begun)
  }
  closeSync(handle)
  rmSync(file)
  return round(percentile(tookMs, 0.5))
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString(),
    commit: commitOf(),
    node: process.version,
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    loadBefore: round(loadavg()[0] ?? 0),
    fsyncMs: measureFsync(),
  }
}

/** A machine with more than this load a core does something else as well. */
const mostLoadPerCore = 0.3

/** What to know before the numbers are believed; empty on a quiet machine. */
export function warningOf({ loadBefore, cores }: Pick<Machine, 'loadBefore' | 'cores'>): string {
  return loadBefore > mostLoadPerCore * cores
    ? `WARNING: the load average is ${loadBefore} on ${cores} cores. Something else runs: the ratios say little, the values nothing.`
    : ''
}
