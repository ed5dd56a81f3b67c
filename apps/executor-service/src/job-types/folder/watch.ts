import { type FSWatcher, watch } from 'node:fs'
import type { Clock, Logger, Timer } from '@belfry/service'

/** How long a change waits for others, milliseconds: an editor saves a file in several steps. */
const quietMs = 100
/**
 * How often the folder is looked at anyway, milliseconds: some file systems, and a folder that is not there yet, report no changes, and
 * subfolders (which may hold thousands of packages) are not watched.
 */
const pollMs = 2000

/** Calls back after changes in a folder, and every now and then, one call at a time; answers the function that ends it. */
export function watchFolder(
  folder: string,
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  onChange: () => Promise<void>,
): () => void {
  let isStopped = false
  let timer: Timer | null = null
  let watcher: FSWatcher | null = null

  function open(): void {
    try {
      watcher = watch(folder, () => soon(quietMs))
      watcher.on('error', (err) => {
        log.debug({ err, folder }, 'the handlers folder reports no changes')
        watcher?.close()
        watcher = null
      })
    } catch {
      watcher = null
    }
  }

  function soon(ms: number): void {
    if (isStopped) return
    timer?.cancel()
    timer = clock.callAfter(ms, async () => {
      if (watcher === null) open()
      await onChange()
      soon(pollMs)
    })
  }

  open()
  soon(pollMs)
  return () => {
    isStopped = true
    timer?.cancel()
    watcher?.close()
  }
}
