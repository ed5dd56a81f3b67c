import { fatal, type Handler, JobFailure, type LogLevel, type RunContext } from '@belfry/worker'
import { z } from 'zod'
import { type Command, type Commands, fillTemplate } from './commands.ts'
import { type CommandParams, createCommandParams, describeCommandParams } from './params.ts'
import { type ProcessEnd, type ProcessRequest, type RunningProcess, startProcess } from './process.ts'

export interface CommandOptions {
  readonly commands: Commands
  /** The environment of the executor, of which each command gets what it names. */
  readonly env: NodeJS.ProcessEnv
  /** Bytes of the log of one attempt. */
  readonly logBytes: number
}

const commandResult = z.strictObject({ exitCode: z.int() })
const defaultTimeoutMs = 3_600_000
/** Lines at the end of the output that the error of a command repeats. */
const lastLines = 5
const longestShownLine = 300

function environmentOf({ env: names }: Command, env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(names.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]])))
}

function failureOf(name: string, { code, signal }: ProcessEnd, last: readonly string[]): JobFailure {
  const how = code === null ? `was ended by ${signal}` : `exited with code ${code}`
  const said = last.length > 0 ? `: ${last.join('\n')}` : ''
  return new JobFailure('command-failed', `${name} ${how}${said}`)
}

const notStarted = (name: string, error: unknown) =>
  fatal('command-not-started', `${name} cannot be started: ${error instanceof Error ? error.message : String(error)}`)

/** Some of what keeps a program from its start is thrown at once (a path through a file), the rest rejects later. */
function startOrRefuse(name: string, request: ProcessRequest): RunningProcess {
  try {
    return startProcess(request)
  } catch (error) {
    throw notStarted(name, error)
  }
}

/** COMMAND: runs a program that the configuration allows, in a process group of its own. */
export function createCommand({ commands, env, logBytes }: CommandOptions): Handler<CommandParams> {
  const running = new Map<RunContext, RunningProcess>()

  function start(name: string, command: Command, args: CommandParams['args'], context: RunContext, last: string[]) {
    const onLine = (level: LogLevel, text: string) => {
      context.log(level, text)
      if (text.trim() !== '') last.push(text.slice(0, longestShownLine))
      if (last.length > lastLines) last.shift()
    }
    const process = startOrRefuse(name, {
      executable: command.executable,
      args: fillTemplate(command, args),
      cwd: command.cwd,
      env: { ...environmentOf(command, env), BELFRY_IDEMPOTENCY_KEY: context.idempotencyKey },
      onLine,
      outputBytes: logBytes,
    })
    const ended = process.ended.catch((error: Error) => {
      throw notStarted(name, error)
    })
    return { ...process, ended }
  }

  /** The command's own time limit, beside that of the attempt. */
  function limit({ timeout }: Command, process: RunningProcess, { clock }: RunContext) {
    if (timeout === undefined) return { cancel: () => undefined, isOver: () => false }
    let isOver = false
    const timer = clock.callAfter(timeout, () => {
      isOver = true
      process.kill('SIGKILL')
    })
    return { cancel: () => timer.cancel(), isOver: () => isOver }
  }

  async function run({ command: name, args }: CommandParams, context: RunContext): Promise<unknown> {
    const command = commands[name]
    if (command === undefined) throw fatal('unknown-command', `There is no command ${name}.`)
    const { signal } = context
    if (signal.aborted) throw signal.reason
    const last: string[] = []
    const process = start(name, command, args, context, last)
    running.set(context, process)
    const limited = limit(command, process, context)
    const onAbort = () => process.kill('SIGTERM')
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const end = await process.ended
      if (signal.aborted) throw signal.reason
      if (limited.isOver()) throw new JobFailure('timeout', `${name} took longer than ${command.timeout} ms.`)
      if (end.code !== 0) throw failureOf(name, end, last)
      return { exitCode: 0 }
    } finally {
      running.delete(context)
      limited.cancel()
      signal.removeEventListener('abort', onAbort)
    }
  }

  return {
    type: 'COMMAND',
    title: 'Command',
    description: 'Runs a program that the configuration of the executor allows (BELFRY_EXECUTOR_COMMANDS).',
    params: createCommandParams(commands),
    result: commandResult,
    schemas: { params: describeCommandParams(commands), result: { ...z.toJSONSchema(commandResult) } },
    timeoutMs: defaultTimeoutMs,
    slots: 'cpu',
    examples: [],
    run,
    stop: (context) => running.get(context)?.kill('SIGKILL'),
  }
}
