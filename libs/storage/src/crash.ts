/** One place at which the process is to die, for proofs: `BELFRY_CRASH_AT=executions.claim:after#3`. */
export interface CrashPoint {
  /** Called before each durable step begins, with its verb. */
  before(verb: string): void
  /** Called for each durable step once it is committed and before anybody is told. */
  after(verb: string): void
}

const form = /^(?<verb>.+):(?<phase>before|after)(?:#(?<nth>[1-9]\d*))?$/

function dieHere(): never {
  process.kill(process.pid, 'SIGKILL')
  // The signal takes effect at once; should it not, nothing of this thread may be heard of any more.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  throw new Error('unreachable')
}

/**
 * A crash point from its text; null and steps that this file does not have never fire. A text that is not of the form
 * `verb:before`, `verb:after` or `verb:after#n` (the n-th time, from 1) never fires either: whoever reads the
 * environment has checked it.
 */
export function createCrashPoint(text: string | null): CrashPoint {
  const wanted = text === null ? undefined : form.exec(text)?.groups
  let left = Number(wanted?.nth ?? 1)
  const at = (phase: string) => (verb: string) => {
    if (wanted?.verb === verb && wanted.phase === phase && --left === 0) dieHere()
  }
  return { before: at('before'), after: at('after') }
}
