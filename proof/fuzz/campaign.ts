import { createRandom } from '../random.ts'
import { shrink } from './shrink.ts'

/** What inputs are drawn for and run against. `run` answers what is wrong; undefined when nothing is. */
export interface FuzzTarget<Input> {
  readonly name: string
  draw(seed: number): Input
  run(input: Input): Promise<string | undefined> | string | undefined
  /** Inputs at a time; 1 for what computes only. */
  readonly callers?: number
  /** CPU that one input may take of the main thread, milliseconds. */
  readonly cpuMs?: number
}

/** An input that fails, made smaller. */
export interface Failure {
  readonly target: string
  readonly seed: number
  readonly issue: string
  readonly input: unknown
}

/** Failures that are made smaller and kept. */
const failuresLimit = 20
/** CPU that one input may take of the main thread, milliseconds (the issue's bound on stalls). */
const stallMs = 200
/** Runs that make a failing input smaller; fewer where each takes long. */
const usualTries = 200
const slowTries = 20
/** Inputs between two looks at the loop. */
const chunk = 64

/** CPU of this thread, milliseconds. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** What is wrong with an input; what `run` throws is wrong too. */
async function issueOf<Input>(target: FuzzTarget<Input>, input: Input): Promise<string | undefined> {
  try {
    return await target.run(input)
  } catch (error) {
    return `throws ${(error as Error).stack?.slice(0, 500)}`
  }
}

async function cpuOf<Input>(target: FuzzTarget<Input>, input: Input): Promise<number> {
  const before = threadCpuMs()
  await issueOf(target, input)
  return threadCpuMs() - before
}

/** The CPU of an input that seems to be slow, again: the median of five says what the input costs and not the machine. */
async function medianCpuOf<Input>(target: FuzzTarget<Input>, input: Input): Promise<number> {
  const all: number[] = []
  for (let left = 5; left > 0; left--) all.push(await cpuOf(target, input))
  return all.sort((a, b) => a - b)[2] ?? 0
}

/** Runs inputs of one target by their seeds, and keeps what fails. */
export function createCampaign(failures: Failure[], seed: number) {
  const seen = new Set<string>()
  /** The seed of input `index` of a target. */
  const seedOf = (name: string, index: number) => {
    const mixed = [...name].reduce((sum, one) => Math.imul(sum, 31) + one.charCodeAt(0), seed)
    return Math.floor(createRandom(mixed ^ Math.imul(index + 1, 0x9e3779b1)).fraction() * 2 ** 32)
  }

  async function fail<Input>(target: FuzzTarget<Input>, inputSeed: number, input: Input, issue: string) {
    // One failure of a kind: numbers and ids differ from input to input.
    const kind = `${target.name} ${issue.replace(/[0-9a-f-]{6,}|\d+/g, '#').slice(0, 120)}`
    if (seen.has(kind) || failures.length >= failuresLimit) return
    seen.add(kind)
    const isSlow = issue.startsWith('takes ')
    const fails = async (smaller: Input) => {
      if (isSlow) return (await cpuOf(target, smaller)) > (target.cpuMs ?? stallMs)
      return (await issueOf(target, smaller))?.slice(0, 12) === issue.slice(0, 12)
    }
    // Each try of an input without an answer would wait as long as the first.
    const tries = issue.startsWith('no answer') ? 0 : isSlow ? slowTries : usualTries
    failures.push({ target: target.name, seed: inputSeed, issue, input: await shrink(input, fails, tries) })
  }

  async function runOne<Input>(target: FuzzTarget<Input>, inputSeed: number, input: Input): Promise<void> {
    const before = threadCpuMs()
    const issue = await issueOf(target, input)
    if (issue !== undefined) return fail(target, inputSeed, input, issue)
    if ((target.callers ?? 1) > 1 || threadCpuMs() - before <= (target.cpuMs ?? stallMs)) return
    const cpuMs = await medianCpuOf(target, input)
    if (cpuMs > (target.cpuMs ?? stallMs)) await fail(target, inputSeed, input, `takes ${cpuMs.toFixed(1)} ms of CPU`)
  }

  /** Looks for the one input that explains a stall of the loop. */
  async function explainStall<Input>(target: FuzzTarget<Input>, seeds: readonly number[], inputs: readonly Input[]) {
    for (const [at, input] of inputs.entries()) {
      if ((await cpuOf(target, input)) <= (target.cpuMs ?? stallMs)) continue
      const cpuMs = await medianCpuOf(target, input)
      if (cpuMs > (target.cpuMs ?? stallMs))
        await fail(target, seeds[at] ?? 0, input, `takes ${cpuMs.toFixed(1)} ms of CPU`)
    }
  }

  return {
    seedOf,
    /** Runs the inputs `from` up to `to` of a target. */
    async run<Input>(target: FuzzTarget<Input>, from: number, to: number, longestStallMs: () => number): Promise<void> {
      const callers = target.callers ?? 1
      for (let first = from; first < to; first += chunk) {
        const seeds = Array.from({ length: Math.min(chunk, to - first) }, (_, at) => seedOf(target.name, first + at))
        const inputs = seeds.map((one) => target.draw(one))
        let next = 0
        longestStallMs()
        const one = async () => {
          while (next < inputs.length) {
            const at = next++
            await runOne(target, seeds[at] ?? 0, inputs[at] as Input)
          }
        }
        await Promise.all(Array.from({ length: callers }, one))
        if (callers > 1 && longestStallMs() > stallMs) await explainStall(target, seeds, inputs)
      }
    },
  }
}
