import { resolve } from 'node:path'
import type { Clock, Logger } from '@belfry/service'
import type { Handler, UnusableFile } from '@belfry/worker'
import type { HandlerSource, RunnerPool } from '@belfry/worker/runner'
import { readDescription } from './description.ts'
import { type HandlerFile, readHandlerFiles } from './files.ts'
import { watchFolder } from './watch.ts'

export interface HandlersFolderOptions {
  readonly folder: string
  /** Whether files that are new, changed or removed count at once, and not at the next start. */
  readonly isWatched: boolean
  readonly pool: RunnerPool
  readonly clock: Clock
  readonly log: Logger
  /** The job types that the folder adds to; its own change. */
  readonly types: Map<string, Handler>
}

/** The job types in a folder of the user. */
export interface HandlersFolder {
  /** Loads all files. Never rejects: a file that is no job type is logged, and stops no other. */
  start(): Promise<void>
  unusable(): readonly UnusableFile[]
  stop(): Promise<void>
}

/** A file as it was loaded. */
interface Loaded {
  readonly file: HandlerFile
  /** The job type, and the text that it was loaded from: an older one while the newest does not load. */
  readonly usable: { readonly handler: Handler; readonly source: HandlerSource } | null
  /** Why the newest text is no job type; null when it is. */
  readonly error: string | null
}

/** Files that are loaded at a time. */
const loadsAtOnce = 4
const longestError = 500

export function createHandlersFolder(options: HandlersFolderOptions): HandlersFolder {
  const { isWatched, pool, clock, log, types } = options
  const folder = resolve(options.folder)
  /** Names that no file can have. */
  const reserved = new Set([...types.keys(), 'COMMAND'])
  /** By file name. */
  let loaded = new Map<string, Loaded>()
  let unusable: UnusableFile[] = []
  let reported = ''
  let refreshing: Promise<void> = Promise.resolve()
  let stopWatch: (() => void) | undefined
  let isStopped = false

  async function load(file: HandlerFile, known: Loaded | undefined): Promise<Loaded> {
    const { source } = file
    try {
      if ('error' in source) throw new Error(source.error)
      const { handler, rules } = readDescription(await pool.load(source))
      const run: Handler['run'] = (params, context) => pool.run(source, rules, params, context)
      return { file, usable: { handler: { ...handler, run, stop: pool.stop }, source }, error: null }
    } catch (error) {
      const text = (error instanceof Error ? error.message : String(error)).slice(0, longestError)
      const usable = known?.usable ?? null
      return { file, usable, error: usable === null ? text : `${text}; the text that was loaded before is used` }
    }
  }

  /** What changed is loaded; the rest stays as it is, with its processes. */
  async function loadAll(files: readonly HandlerFile[]): Promise<Loaded[]> {
    const all: Loaded[] = []
    const left = [...files]
    const work = async () => {
      for (let file = left.shift(); file !== undefined; file = left.shift()) {
        const known = loaded.get(file.name)
        all.push(known?.file.fingerprint === file.fingerprint ? known : await load(file, known))
      }
    }
    await Promise.all(Array.from({ length: loadsAtOnce }, work))
    return all.sort((one, other) => (one.file.name < other.file.name ? -1 : 1))
  }

  async function refresh(): Promise<void> {
    try {
      const all = await loadAll(await readHandlerFiles(folder))
      if (!isStopped) use(all)
    } catch (err) {
      log.error({ err, folder }, 'the handlers folder cannot be read')
    }
  }

  function use(all: readonly Loaded[]): void {
    const before = loaded
    loaded = new Map(all.map((one) => [one.file.name, one]))
    const { byType, refused } = assign(all, reserved)
    for (const [type] of types) if (!reserved.has(type) && !byType.has(type)) types.delete(type)
    for (const [type, handler] of byType) types.set(type, handler)
    const used = new Set(all.map((one) => one.usable?.source))
    for (const { usable } of before.values()) if (usable && !used.has(usable.source)) pool.retire(usable.source)
    report(refused, [...byType.keys()])
  }

  /** The log says what has changed. */
  function report(refused: readonly UnusableFile[], jobTypes: readonly string[]): void {
    const known = new Set(unusable.map(({ file, error }) => `${file} ${error}`))
    unusable = [...refused]
    for (const { file, error } of refused) {
      if (!known.has(`${file} ${error}`)) log.error({ file, error }, 'a file of the handlers folder is no job type')
    }
    if (jobTypes.join() === reported) return
    reported = jobTypes.join()
    log.info({ folder, jobTypes }, 'the job types of the handlers folder')
  }

  return {
    async start() {
      await refresh()
      if (!isWatched) return
      stopWatch = watchFolder(folder, { clock, log }, () => {
        refreshing = refreshing.then(refresh)
        return refreshing
      })
    },
    unusable: () => unusable,
    async stop() {
      isStopped = true
      stopWatch?.()
      await refreshing
    },
  }
}

/** Which file stands for which type: of two files with one type, the first by name. */
function assign(all: readonly Loaded[], reserved: ReadonlySet<string>) {
  const byType = new Map<string, Handler>()
  const fileOf = new Map<string, string>()
  const refused: UnusableFile[] = []
  for (const { file, usable, error } of all) {
    const refuse = (why: string) => refused.push({ file: file.name, error: why })
    if (error !== null) refuse(error)
    if (usable === null) continue
    const { type } = usable.handler
    const first = fileOf.get(type)
    if (reserved.has(type)) refuse(`type: ${type} is a job type of Belfry itself`)
    else if (first !== undefined) refuse(`type: ${type} is the type of ${first} already`)
    else {
      byType.set(type, usable.handler)
      fileOf.set(type, file.name)
    }
  }
  return { byType, refused }
}
