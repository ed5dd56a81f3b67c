import { type FileHandle, open, readFile } from 'node:fs/promises'

/** A new file to which entries are added for good: one JSON text a line. */
export interface RecordFile<T> {
  readonly path: string
  /** Resolves once the entry is on the disk. Entries that wait share one write. */
  add(entry: T): Promise<void>
  close(): Promise<void>
}

export async function openRecordFile<T>(path: string): Promise<RecordFile<T>> {
  const file: FileHandle = await open(path, 'w')
  let waiting: string[] = []
  let writing: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined

  async function write(): Promise<void> {
    next = undefined
    const lines = waiting
    waiting = []
    await file.appendFile(lines.join(''))
    await file.datasync()
  }

  return {
    path,
    add(entry) {
      waiting.push(`${JSON.stringify(entry)}\n`)
      if (!next) {
        next = writing.then(write)
        writing = next
      }
      return next
    },
    async close() {
      await writing
      await file.close()
    },
  }
}

/** The entries of a record file; the last line may be cut short when its writer was killed. */
export async function readRecordFile<T>(path: string): Promise<T[]> {
  const lines = (await readFile(path, 'utf8')).split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as T)
}
