import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { eventually, makeDataDir } from '../proof/belfry-process.ts'
import { readAll } from '../proof/caller.ts'
import { withBelfry } from './belfry.ts'
import type { Entry, Recording } from './path-recorder.ts'
import type { Benchmark, Figure } from './report.ts'

/**
 * Counts what a reader follows on the way of one `POST /jobs` (DUMMY, once, due at once) to its recorded SUCCESS.
 *
 * How it records. path-recorder.ts is loaded into the Belfry process before its code. It puts a record at the start and
 * the end of every function body in `src` of each app and lib, and around every `await` and `yield`, so that the function
 * at work is known at each entry. The main thread is recorded from the arrival of `POST /jobs` to the end of the write
 * `executions.finish`.
 *
 * The legs. Their ends depend on no name of a file or a function:
 *   1  Node's http server takes the first `POST /jobs` -> it has sent the answer to it.
 *   2  -> the claim is stored: the last write `executions.claim` or `executions.insert` before the end. A command that is
 *      due is inserted as running, so its insert is the claim.
 *   3  -> the write `executions.finish` is stored. 3e is the same with the entries of apps/executor-service alone.
 * A write is an async function whose first parameter is the verb. The benchmark fails when a mark is missing.
 *
 * The figures of a leg.
 *   - entered (files): source files of which a function is entered.
 *   - from one file into another (calls): entries whose caller, the nearest function of ours on the stack, is in another file.
 *   - from entry to entry (folder changes): consecutive entries, in their order in time, whose files lie in different folders.
 *   - in the list of files (folder changes): the same over the files in the order of their first entry, as `--list` prints them.
 *
 * Noise. A Belfry has loops that turn at any time. A leg takes milliseconds (leg 2: about 30) and the pauses between the
 * samples are random, so such a turn is in less than half of the samples of a leg. Now and then one also does a part of the
 * way earlier than usual, and what it replaces is missing. So a function or a call counts when at least four of five
 * samples have it. Of the samples that have all that counts, the one with the fewest entries is counted. With `--delay`
 * (milliseconds until the job is due) leg 2 lasts as long as the delay and holds loops as well. Files and folder changes of
 * legs 1 and 3 come out the same from run to run; calls differ by one or two, and by a few more in leg 2.
 *
 * What it does not see.
 *   - The store thread, packages, types and constants, and what runs when a module is loaded.
 *   - The caller behind a timer, a message, an event or a promise: such an entry counts, and its call does not.
 *   - Initial values of parameters and class fields as entries of their own: they are part of what is at work.
 *   - Whether the result needs an entry. What every job causes meanwhile (metrics, logs, marks of relays) counts too.
 */
export const path: Benchmark = {
  title: 'source files, calls between files and changes of folder from POST /jobs to the recorded end',
  defaults: { n: 15, delay: 0, list: 0 },
  flags: ['list'],
  async run({ n = 0, delay = 0, list = 0 }) {
    const legs = (await record(n, delay)).map(legsOf)
    const figures = ['POST -> 201', '201 -> claimed', 'claimed -> recorded'].flatMap((title, leg) => {
      const samples = legs.map((one) => one[leg] as Leg)
      const counted = count(samples)
      if (list) console.log([`${leg + 1}  ${title}`, ...counted.files.map((file) => `     ${file}`), ''].join('\n'))
      return figuresOf(`leg ${leg + 1}`, title, counted, goals[leg])
    })
    const inExecutor = legs.map(([, , leg]) => leg.filter(([callee]) => callee.startsWith('apps/executor-service/')))
    return [
      ...figures,
      ...figuresOf('leg 3e', 'claimed -> recorded, executor-service alone', count(inExecutor), goalsOfExecutor),
    ]
  },
}

interface Goals {
  readonly files?: number
  readonly changes?: number
}
const goals: readonly Goals[] = [{ files: 30 }, {}, {}]
/** Inside the executor, from the claim to the recorded end. */
const goalsOfExecutor: Goals = { files: 15, changes: 12 }

/** Samples that fill caches (statements, tokens, connections) and are not counted. */
const warmUps = 3

async function record(n: number, delay: number): Promise<Recording[]> {
  const folder = await makeDataDir()
  const file = join(folder.path, 'path.jsonl')
  const readLines = async () => (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)
  const env = { NODE_OPTIONS: `--import=${new URL('./path-recorder.ts', import.meta.url)}`, PATH_RECORD: file }
  try {
    await withBelfry(async (_belfry, user) => {
      for (let sample = 1; sample <= warmUps + n; sample += 1) {
        const body = { jobType: 'DUMMY', delay: `${delay}ms`, params: { durationMs: 0 } }
        const created = await user.call('POST', '/jobs', body)
        if (created.status !== 201) throw new Error(`create: ${created.status} ${JSON.stringify(created.body)}`)
        await eventually('the recording', async () => ((await readLines()).length === sample ? true : undefined))
        await wait(300 + 300 * Math.random())
      }
      const done = await readAll(user, '/executions?status=SUCCESS')
      if (done.length !== warmUps + n) throw new Error(`${done.length} of ${warmUps + n} runs ended with SUCCESS`)
    }, env)
    return (await readLines()).slice(warmUps).map((line) => JSON.parse(line))
  } finally {
    await folder.remove()
  }
}

type Leg = readonly Entry[]

function legsOf(recording: Recording): readonly [Leg, Leg, Leg] {
  const answered = recording.indexOf('answered')
  const finished = recording.indexOf('executions.finish')
  const claimed = recording.findLastIndex((one) => one === 'executions.insert' || one === 'executions.claim')
  if (answered < 0 || claimed < answered || finished < claimed) throw new Error('a mark is missing or out of order')
  const between = (from: number, to: number) => recording.slice(from, to).filter((one) => typeof one !== 'string')
  return [between(0, answered), between(answered, claimed), between(claimed, finished)]
}

const fileOf = (place: string) => place.slice(0, place.indexOf(':'))
const isFromOtherFile = ([callee, caller]: Entry) => caller !== null && fileOf(caller) !== fileOf(callee)

function countChanges(files: readonly string[]): number {
  return files.filter((file, at) => at > 0 && dirname(file) !== dirname(files[at - 1] as string)).length
}

/** The keys that at least four of five samples have. */
function usual(samples: readonly Leg[], keyOf: (entry: Entry) => string): Set<string> {
  const keys = samples.flatMap((leg) => [...new Set(leg.map(keyOf))])
  const byKey = Map.groupBy(keys, (key) => key)
  return new Set([...byKey].filter(([, { length }]) => length >= 0.8 * samples.length).map(([key]) => key))
}

const functionsIn = (leg: Leg) => new Set(leg.map(([callee]) => callee)).size

function count(samples: readonly Leg[]) {
  const functions = usual(samples, ([callee]) => callee)
  const calls = usual(samples, String)
  const kept = samples.map((leg) => leg.filter(([callee]) => functions.has(callee)))
  const [least = []] = kept.sort((a, b) => functionsIn(b) - functionsIn(a) || a.length - b.length)
  const entered = least.map(([callee]) => fileOf(callee))
  const files = [...new Set(entered)]
  return {
    files,
    calls: least.filter((entry) => calls.has(String(entry)) && isFromOtherFile(entry)).length,
    changes: countChanges(entered),
    changesInList: countChanges(files),
  }
}

function figuresOf(id: string, title: string, counted: ReturnType<typeof count>, goal: Goals = {}): Figure[] {
  const figure = (what: string, value: number, unit: string, atMost?: number): Figure => ({
    id,
    what: `${title}, ${what}`,
    value,
    unit,
    ...(atMost !== undefined && { goal: { atMost } }),
  })
  return [
    figure('entered', counted.files.length, 'files', goal.files),
    figure('from one file into another', counted.calls, 'calls'),
    figure('from entry to entry', counted.changes, 'folder changes', goal.changes),
    figure('in the list of files', counted.changesInList, 'folder changes'),
  ]
}
