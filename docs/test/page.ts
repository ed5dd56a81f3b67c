import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { openOneProcess } from '../../proof/one-process.ts'
import { openShell, readBlocks } from './shell.ts'

/** A new Belfry, and a shell in a folder of its own, for the commands of a page (its path from the root) until the test is over. */
export async function openPage(page: string, env: Readonly<Record<string, string>> = {}) {
  const belfry = await openOneProcess(env)
  const shell = openShell({ cwd: belfry.folder })
  onTestFinished(async () => {
    shell.close()
    await belfry.close()
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
