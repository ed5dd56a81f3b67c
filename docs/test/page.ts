import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { onTestFinished } from 'vitest'
import { makeDataDir } from '../../proof/belfry-process.ts'
import { openShell, readBlocks } from './shell.ts'

/** A new Belfry, and a shell in a folder of its own, for the commands of a page (its path from the root) until the test is over. */
export async function openPage(page: string, env: Readonly<Record<string, string>> = {}) {
  const folder = await makeDataDir()
  const settings = { BELFRY_DATA_DIR: folder.path, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn', ...env }
  const belfry = await openStandalone(settings)
  const shell = openShell({ cwd: folder.path })
  onTestFinished(async () => {
    shell.close()
    await belfry.stop()
    await folder.remove()
  })
  return {
    belfry,
    shell,
    /** The blocks of the page with this mark, for this Belfry. */
    async blocks(mark: string): Promise<string[]> {
      const blocks = await readBlocks(join(import.meta.dirname, '../..', page), mark)
      return blocks.map((block) => block.replaceAll('http://127.0.0.1:8080', belfry.url))
    },
  }
}
