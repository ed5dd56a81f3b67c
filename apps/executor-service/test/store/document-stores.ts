import type { PoisonMessage } from '@belfry/bus'
import { paramsSize } from '@belfry/contracts'
import { shardOf, type WorkShare } from '@belfry/storage'
import type { Admission } from '../../src/admission/admission.ts'
import {
  type Execution,
  executionSize,
  hasLargeParams,
  type Pool,
  startsUntil,
  unreadParams,
} from '../../src/executions/execution.ts'
import type {
  AdmissionStore,
  ArtifactStore,
  CursorPage,
  DueCursor,
  DueExecution,
  DueStore,
  ExecutionStore,
  ExecutorRow,
  ExecutorStore,
  LogChunk,
  LogStore,
  RowId,
  Stored,
  Stores,
} from '../../src/store/ports.ts'
import { type Collection, createCollection, createDelay, type Delay, randomId } from './documents.ts'

/** One execution. Large params are a document of their own, by row id and version. */
interface ExecutionDocument {
  readonly execution: Execution
  /** Of its params where they are large; null where they are in the execution. */
  readonly largeSize: number | null
  readonly quarantinedUntil: number | null
  readonly isPublished: boolean
  readonly changedAt: number
  readonly changeNo: number
}

interface ParamsDocument {
  readonly rowId: string
  readonly version: number
  readonly at: number
  readonly params: Record<string, unknown>
}

type ChunkDocument = LogChunk & { readonly at: number }

interface FileDocument {
  readonly rowId: RowId
  readonly body: Uint8Array
}

type Executions = Collection<ExecutionDocument>

const asRowId = (id: string) => id as unknown as RowId
const idOf = (rowId: RowId) => rowId as unknown as string

function storedOf(id: string, { execution, largeSize }: ExecutionDocument): Stored {
  const read = largeSize === null ? execution : { ...execution, params: unreadParams }
  return { rowId: asRowId(id), execution: read, size: executionSize(read) + (largeSize ?? 0) }
}

const bytesOf = (stored: Stored | undefined) => (stored === undefined ? 0 : JSON.stringify(stored.execution).length)

/** The first within `bytes`, one at least. */
function within<T>(items: readonly T[], bytes: number, sizeOf: (item: T) => number): readonly T[] {
  let left = bytes
  const end = items.findIndex((one, index) => {
    const isOver = index > 0 && left <= 0
    left -= sizeOf(one)
    return isOver
  })
  return end === -1 ? items : items.slice(0, end)
}

function pageAfter<T>(
  found: readonly (readonly [id: string, T])[],
  after: RowId | null,
  limit: number,
): CursorPage<readonly [id: string, T]> {
  const rows = found.filter(([id]) => after === null || id > idOf(after)).slice(0, limit)
  const last = rows.length === limit ? rows.at(-1) : undefined
  return { rows, next: last ? asRowId(last[0]) : null }
}

type Key = readonly [priority: number, runAt: number, id: string]

const keyOf = (id: string, { execution, quarantinedUntil }: ExecutionDocument): Key => [
  execution.priority,
  quarantinedUntil ?? execution.runAt,
  id,
]
const isBefore = (a: Key, b: Key) => (a[0] !== b[0] ? a[0] < b[0] : a[1] !== b[1] ? a[1] < b[1] : a[2] < b[2])

function createDueStore(executions: Executions): DueStore {
  const readyOf = async (pool: Pool) => {
    const found = await executions.find(({ execution }) => execution.state === 'ready' && execution.pool === pool)
    const ready = found.map(([id, one]) => ({
      key: keyOf(id, one),
      owner: one.execution.ownerId,
      id: one.execution.id,
    }))
    return ready.sort((a, b) => (isBefore(a.key, b.key) ? -1 : 1))
  }
  type Ready = Awaited<ReturnType<typeof readyOf>>[number]
  const isMine =
    ({ index, instances, overdueAt }: WorkShare) =>
    ({ id, key: [, runAt] }: Ready) =>
      shardOf(id) % instances === index || runAt <= overdueAt
  const dueOf =
    (pool: Pool) =>
    ({ key: [, runAt, id] }: Ready): DueExecution => ({ rowId: asRowId(id), runAt, pool })

  return {
    async hasReady() {
      return (await executions.find(({ execution }) => execution.state === 'ready')).length > 0
    },
    async listDue({ now, until, due, coming, saturated, scan, share }) {
      const ofPool = async (pool: Pool) => {
        const ready = await readyOf(pool)
        const isDue = ({ key: [, runAt] }: Ready) => runAt <= now
        const later = ready
          .filter((one) => !isDue(one) && one.key[1] <= until)
          .slice(0, scan + coming * share.instances)
        const free = later.filter((one) => isMine(share)(one) && !saturated.includes(one.owner))
        const now_ = ready.filter((one) => isDue(one) && isMine(share)(one))
        return [now_.slice(0, due[pool]), free.slice(0, coming)].map((some) => some.map(dueOf(pool)))
      }
      const [io = [], cpu = []] = await Promise.all([ofPool('io'), ofPool('cpu')])
      return [io[0], cpu[0], io[1], cpu[1]].flatMap((some) => some ?? [])
    },
    async listDueOfOthers({ pool, now, passOver, after, scan, limit, share }) {
      const from = after as unknown as Key | null
      const ready = (await readyOf(pool)).filter(({ key }) => from === null || isBefore(from, key)).slice(0, scan)
      const found = ready.filter((one) => one.key[1] <= now && isMine(share)(one) && !passOver.includes(one.owner))
      const rows = found.slice(0, limit)
      const last = rows.length === limit ? rows.at(-1) : ready[scan - 1]
      return { rows: rows.map(dueOf(pool)), next: (last?.key ?? null) as unknown as DueCursor | null }
    },
    async listDueOfTypes({ types, until, limit }) {
      const found = await executions.find(
        (one) =>
          one.execution.state === 'ready' && one.execution.pool === 'other' && types.includes(one.execution.jobType),
      )
      const due = found.filter(([id, one]) => keyOf(id, one)[1] <= until)
      const sorted = due.toSorted(([a, one], [b, other]) => (isBefore(keyOf(a, one), keyOf(b, other)) ? -1 : 1))
      return types.flatMap((type) =>
        sorted
          .filter(([, one]) => one.execution.jobType === type)
          .slice(0, limit)
          .map(([id, one]): DueExecution => ({ rowId: asRowId(id), runAt: keyOf(id, one)[1], pool: 'other' })),
      )
    },
    async listExpired(now, limit) {
      const isExpired = ({ execution }: ExecutionDocument) =>
        execution.state === 'ready' && (startsUntil(execution) ?? now) < now
      return (await executions.find(isExpired)).slice(0, limit).map(([id]) => asRowId(id))
    },
    async quarantineMany(rowIds, until) {
      const change = (one: ExecutionDocument) =>
        one.execution.state === 'ready' ? { ...one, quarantinedUntil: until } : undefined
      await Promise.all(rowIds.map((rowId) => executions.update(idOf(rowId), change)))
    },
  }
}

interface Children {
  readonly params: Collection<ParamsDocument>
  readonly logs: Collection<ChunkDocument>
  readonly files: Collection<FileDocument>
}

const paramsId = (rowId: string, version: number) => `${rowId}/${version}`
const isOpen = ({ execution: { state } }: ExecutionDocument) => state === 'ready' || state === 'running'

/** A counter in a document of its own: a number is handed out in one step, before the write that stores it. */
function createCounter(delay: Delay) {
  let newest = 0
  return {
    async next(): Promise<number> {
      await delay()
      newest += 1
      const handedOut = newest
      await delay()
      return handedOut
    },
    async read(): Promise<number> {
      await delay()
      return newest
    },
  }
}

function createExecutionStore(
  executions: Executions,
  children: Children,
  delay: Delay,
  newId: () => string,
): ExecutionStore {
  const { params } = children
  const changeNos = createCounter(delay)
  const isOfShare =
    ({ index, instances, overdueAt }: WorkShare) =>
    ({ execution: { id }, changedAt }: ExecutionDocument) =>
      shardOf(id) % instances === index || changedAt <= overdueAt

  async function putParams(rowId: string, { version, params: body }: Execution, at: number): Promise<void> {
    await params.upsert(paramsId(rowId, version), () => ({ rowId, version, at, params: body }))
  }

  function documentOf(execution: Execution, at: number, changeNo: number): ExecutionDocument {
    const isLarge = hasLargeParams(execution)
    return {
      execution: isLarge ? { ...execution, params: {} } : execution,
      largeSize: isLarge ? paramsSize(execution.params) : null,
      quarantinedUntil: null,
      isPublished: false,
      changedAt: at,
      changeNo,
    }
  }

  async function insert(execution: Execution, at: number): Promise<Stored | undefined> {
    const rowId = newId()
    if (hasLargeParams(execution)) await putParams(rowId, execution, at)
    const document = documentOf(execution, at, await changeNos.next())
    if (!(await executions.insert(rowId, document))) return undefined
    return { rowId: asRowId(rowId), execution, size: executionSize(execution) }
  }

  async function readOne(rowId: string): Promise<Stored | undefined> {
    const found = await executions.get(rowId)
    return found && storedOf(rowId, found)
  }

  async function findOne(id: string): Promise<Stored | undefined> {
    const [found] = await executions.find((one) => one.execution.id === id)
    return found && storedOf(...found)
  }

  async function readParams(rowId: string): Promise<Record<string, unknown> | undefined> {
    const found = await executions.get(rowId)
    if (found === undefined || found.largeSize === null) return found?.execution.params
    return (await params.get(paramsId(rowId, found.execution.version)))?.params
  }

  async function list(filter: (document: ExecutionDocument) => boolean): Promise<Stored[]> {
    return (await executions.find(filter)).map(([id, one]) => storedOf(id, one))
  }

  async function purgeOne(rowId: string, seq: number): Promise<boolean> {
    const mayGo = (one: ExecutionDocument) => !isOpen(one) && one.isPublished && one.execution.seq === seq
    if (!(await executions.remove(rowId, mayGo))) return false
    await Promise.all(
      Object.values(children).map(async (collection: Collection<{ readonly rowId: string | RowId }>) => {
        const found = await collection.find((one) => one.rowId === rowId)
        await Promise.all(found.map(([id]) => collection.remove(id)))
      }),
    )
    return true
  }

  return {
    ...createDueStore(executions),
    insertMany: (some, at) => Promise.all(some.map((one) => insert(one, at))),
    compareAndSetMany: (_, updates, at) =>
      Promise.all(
        updates.map(async ({ rowId, from, to }) => {
          const id = idOf(rowId)
          const isReplaced = from.version !== to.version
          if (isReplaced && hasLargeParams(to)) await putParams(id, to, at)
          const changeNo = await changeNos.next()
          return executions.update(id, (stored) => {
            if (stored.execution.seq !== from.seq || stored.execution.epoch !== from.epoch) return undefined
            const next = documentOf(to, at, changeNo)
            if (isReplaced) return next
            const { largeSize, execution } = stored
            return { ...next, largeSize, execution: { ...to, params: execution.params } }
          })
        }),
      ),
    async find(some, bytes = Number.MAX_SAFE_INTEGER) {
      return within(await Promise.all(some.map(findOne)), bytes, bytesOf)
    },
    async readStates(some) {
      return (await Promise.all(some.map(findOne))).map((one) => one?.execution.state)
    },
    async read(rowIds, bytes = Number.MAX_SAFE_INTEGER) {
      return within(await Promise.all(rowIds.map((rowId) => readOne(idOf(rowId)))), bytes, bytesOf)
    },
    async readParams(rowIds, bytes) {
      const all = await Promise.all(rowIds.map((rowId) => readParams(idOf(rowId))))
      return within(all, bytes, (one) => JSON.stringify(one ?? null).length)
    },
    async hasOpen(jobIds) {
      const open = new Set((await list(isOpen)).map(({ execution }) => execution.jobId))
      return jobIds.map((jobId) => open.has(jobId))
    },
    async listHeld(owner) {
      const held = await list(({ execution: { state, owner: of } }) => state === 'running' && of === owner)
      return held.map(({ rowId, execution: { epoch, cancelRequested } }) => ({ rowId, epoch, cancelRequested }))
    },
    async listRunningOwners() {
      const running = await list(({ execution }) => execution.state === 'running')
      return [...new Set(running.map(({ execution }) => execution.owner ?? ''))]
    },
    async listRunningOf(owners, page) {
      const all = await list(({ execution: { state, owner } }) => state === 'running' && owners.includes(owner ?? ''))
      const rows = within(all.slice(0, page.rows), page.bytes, bytesOf)
      return { rows, hasMore: rows.length < all.length || rows.length === page.rows }
    },
    async listOpen(jobId, state, after, limit) {
      const states = state === null ? ['ready', 'running'] : [state]
      const found = await executions.find(
        (one) => one.execution.jobId === jobId && states.includes(one.execution.state),
      )
      const { rows, next } = pageAfter(found, after, limit)
      return { rows: rows.map(([id, one]) => storedOf(id, one)), next }
    },
    listInDoubt: (jobId, since) =>
      list(({ execution }) => execution.jobId === jobId && execution.inDoubt.some((one) => one.lostAt >= since)),
    async markUnpublished(stored) {
      const mark = (one: ExecutionDocument) => ({ ...one, isPublished: false })
      await Promise.all(stored.map(({ rowId }) => executions.update(idOf(rowId), mark)))
    },
    async listChanges({ after, limit }) {
      const head = await changeNos.read()
      const found = await executions.find(({ changeNo }) => changeNo > after)
      const rows = found
        .map(([, { execution, changeNo }]) => ({ id: execution.id, seq: execution.seq, changeNo }))
        .sort((a, b) => a.changeNo - b.changeNo)
        .slice(0, limit)
      return { rows, head, hasMore: rows.length === limit }
    },
    async listUnpublished(page, share) {
      const all = await list((one) => !one.isPublished && isOfShare(share)(one))
      const rows = within(all.slice(0, page.rows), page.bytes, bytesOf)
      return { rows, hasMore: rows.length < all.length || rows.length === page.rows }
    },
    async markPublished(states) {
      await Promise.all(
        states.map(({ rowId, seq }) =>
          executions.update(idOf(rowId), (one) =>
            one.execution.seq === seq ? { ...one, isPublished: true } : undefined,
          ),
        ),
      )
    },
    async listEnded(before, after, limit) {
      const found = await executions.find((one) => !isOpen(one) && one.changedAt < before)
      const all = found.map(
        ([
          id,
          {
            execution: { seq, state },
            changedAt,
            isPublished,
          },
        ]) => {
          return { rowId: asRowId(id), seq, state, changedAt, isPublished }
        },
      )
      type Ended = Pick<(typeof all)[number], 'changedAt' | 'rowId'>
      const compare = (a: Ended, b: Ended) => a.changedAt - b.changedAt || (idOf(a.rowId) < idOf(b.rowId) ? -1 : 1)
      const isAfter = (one: Ended) => after === null || (one.rowId !== after.rowId && compare(after, one) < 0)
      const rows = all.sort(compare).filter(isAfter).slice(0, limit)
      return { rows, next: rows.length === limit ? (rows.at(-1) ?? null) : null }
    },
    async purgeMany(rows) {
      const purged = await Promise.all(rows.map(({ rowId, seq }) => purgeOne(idOf(rowId), seq)))
      return purged.filter(Boolean).length
    },
    async purgeOrphans(before, after, limit) {
      const { rows, next } = pageAfter(await params.find(() => true), after, limit)
      const purged = await Promise.all(
        rows.map(async ([id, { rowId, version, at }]) => {
          const parent = await executions.get(rowId)
          const isOrphan = parent?.execution.version !== version || parent.largeSize === null
          return at < before && isOrphan && (await params.remove(id))
        }),
      )
      return { purged: purged.filter(Boolean).length, next }
    },
  }
}

function createAdmissionStore(delay: Delay, onAdmission?: (admission: Admission) => void): AdmissionStore {
  const admissions = createCollection<{ readonly admission: Admission; readonly neededAt: number }>(
    delay,
    undefined,
    onAdmission && (({ admission }) => onAdmission(admission)),
  )
  return {
    async read(jobIds) {
      return (await Promise.all(jobIds.map(admissions.get))).map((one) => one?.admission)
    },
    compareAndSetMany: (_, updates, at) =>
      Promise.all(
        updates.map(({ from, to }) => {
          const next = { admission: to, neededAt: at }
          if (from.rev === 0) return admissions.insert(to.jobId, next)
          return admissions.update(to.jobId, (one) => (one.admission.rev === from.rev ? next : undefined))
        }),
      ),
    async listUnsettled(after, limit) {
      const { rows, next } = pageAfter(await admissions.find((one) => one.admission.unsettled > 0), after, limit)
      return { rows: rows.map(([, one]) => one.admission), next }
    },
    async touch(jobIds, at) {
      const change = <T extends { readonly neededAt: number }>(one: T) =>
        one.neededAt < at ? { ...one, neededAt: at } : undefined
      await Promise.all(jobIds.map((jobId) => admissions.update(jobId, change)))
    },
    async list(after, limit) {
      const { rows, next } = pageAfter(await admissions.find(() => true), after, limit)
      return {
        rows: rows.map(([jobId, { admission, neededAt }]) => {
          return { rowId: asRowId(jobId), jobId, rev: admission.rev, neededAt }
        }),
        next,
      }
    },
    async purgeMany(rows) {
      const purged = await Promise.all(
        rows.map(({ jobId, rev, neededAt }) =>
          admissions.remove(jobId, (one) => one.admission.rev === rev && one.neededAt === neededAt),
        ),
      )
      return purged.filter(Boolean).length
    },
  }
}

function createExecutorStore(delay: Delay): ExecutorStore {
  const executors = createCollection<ExecutorRow>(delay)
  return {
    async enlist(instance) {
      await executors.insert(instance, { instance, beat: 0, gone: false })
    },
    beat: (instance) => executors.update(instance, (one) => (one.gone ? undefined : { ...one, beat: one.beat + 1 })),
    async list() {
      return (await executors.find(() => true)).map(([, one]) => one)
    },
    markGone: ({ instance, beat }) =>
      executors.update(instance, (one) => (one.gone || one.beat !== beat ? undefined : { ...one, gone: true })),
    async removeOthers(instance) {
      const others = await executors.find((_, id) => id !== instance)
      await Promise.all(others.map(([id]) => executors.remove(id)))
    },
    async remove(instance) {
      await executors.remove(instance)
    },
  }
}

function createLogStore(executions: Executions, logs: Collection<ChunkDocument>): LogStore {
  return {
    async append(chunks) {
      await Promise.all(
        chunks.map((chunk) => {
          const { rowId, epoch, lines } = chunk
          const document = { ...chunk, at: lines.at(-1)?.at ?? 0 }
          return logs.upsert(`${idOf(rowId)}/${epoch}/${lines[0]?.seq}`, (known) =>
            known && known.lines.length >= lines.length ? undefined : document,
          )
        }),
      )
    },
    async list(rowId, { after, epoch, limit }) {
      const found = await logs.find((one) => one.rowId === rowId && (epoch === null || one.epoch === epoch))
      const lines = found.flatMap(([, chunk]) => chunk.lines.map((line) => ({ ...line, epoch: chunk.epoch })))
      const rest = lines.filter((one) => one.epoch > after.epoch || (one.epoch === after.epoch && one.seq > after.seq))
      return rest.sort((a, b) => a.epoch - b.epoch || a.seq - b.seq).slice(0, limit)
    },
    async listOldest(after, limit) {
      // The time comes first in the cursor: chunks are listed in its order.
      const found = (await logs.find(() => true)).map(
        ([id, chunk]) => [`${String(chunk.at).padStart(16, '0')} ${id}`, chunk] as const,
      )
      const sorted = found.sort(([a], [b]) => (a < b ? -1 : 1))
      const { rows, next } = pageAfter(sorted, after, limit)
      const summaries = rows.map(async ([id, { rowId, at }]) => {
        const parent = await executions.get(idOf(rowId))
        const execution = parent ? { state: parent.execution.state, changedAt: parent.changedAt } : null
        return { rowId: asRowId(id), at, execution }
      })
      return { rows: await Promise.all(summaries), next }
    },
    async purgeMany(rowIds) {
      const purged = await Promise.all(rowIds.map((rowId) => logs.remove(idOf(rowId).split(' ')[1] ?? '')))
      return purged.filter(Boolean).length
    },
  }
}

function createArtifactStore(executions: Executions, files: Collection<FileDocument>): ArtifactStore {
  const fileId = (rowId: RowId, epoch: number, name: string) => `${idOf(rowId)}/${epoch}/${name}`
  return {
    async put(some) {
      await Promise.all(
        some.map(({ rowId, epoch, name, body }) => files.upsert(fileId(rowId, epoch, name), () => ({ rowId, body }))),
      )
    },
    async read(rowId, epoch, name) {
      return (await files.get(fileId(rowId, epoch, name)))?.body
    },
    async readNewest(rowId, epoch, name) {
      for (let one = epoch; one > 0; one--) {
        const found = await files.get(fileId(rowId, one, name))
        if (found) return found.body
      }
      return undefined
    },
    async purgeOrphans(after, limit) {
      const { rows, next } = pageAfter(await files.find(() => true), after, limit)
      const purged = await Promise.all(
        rows.map(async ([id, { rowId }]) => !(await executions.get(idOf(rowId))) && (await files.remove(id))),
      )
      return { purged: purged.filter(Boolean).length, next }
    },
  }
}

export interface DocumentStoresOptions {
  /** What each step waits for before and after it; some iterations of the event loop when left out. */
  readonly delay?: Delay
  /** Makes the row ids; random ones when left out. */
  readonly newId?: () => string
  /** Called with each execution that is stored, at that moment. */
  readonly onExecution?: (execution: Execution) => void
  /** The same for admissions. */
  readonly onAdmission?: (admission: Admission) => void
}

/**
 * The executor's stores over a document database that is made up of Maps: random row ids, one document per verb, no
 * transaction over two documents, answers in no order. It proves that the ports ask for no more than that.
 */
export function createDocumentStores(seed = 1, options: DocumentStoresOptions = {}): Stores {
  const { delay = createDelay(seed), newId = randomId, onExecution, onAdmission } = options
  const executions: Executions = createCollection(
    delay,
    (one) => one.execution.id,
    onExecution && (({ execution }) => onExecution(execution)),
  )
  const children: Children = {
    params: createCollection(delay),
    logs: createCollection(delay),
    files: createCollection(delay),
  }
  const cursors = createCollection<{ readonly at: number }>(delay)
  const poison = createCollection<PoisonMessage>(delay)
  return {
    executions: createExecutionStore(executions, children, delay, newId),
    admissions: createAdmissionStore(delay, onAdmission),
    executors: createExecutorStore(delay),
    logs: createLogStore(executions, children.logs),
    artifacts: createArtifactStore(executions, children.files),
    cursors: {
      async read(name) {
        return (await cursors.get(name))?.at ?? 0
      },
      async write(name, at) {
        await cursors.upsert(name, () => ({ at }))
      },
    },
    poison: {
      async keep(messages) {
        await Promise.all(
          messages.map((one) => poison.insert(`${one.topic}/${one.partition}/${one.offset ?? newId()}`, one)),
        )
      },
    },
    close: async () => undefined,
  }
}
