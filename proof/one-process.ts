import { openStandalone, type Standalone } from '@belfry/standalone'
import { makeDataDir } from './belfry-process.ts'

/** A Belfry in this process, on a data folder of its own. */
export interface OneProcess extends Standalone {
  readonly folder: string
  /** Stops it, and removes its data. */
  close(): Promise<void>
}

/** Opens a Belfry on any free port. `env`: its settings; without them it logs warnings. */
export async function openOneProcess(env: Readonly<Record<string, string>> = {}): Promise<OneProcess> {
  const { path, remove } = await makeDataDir()
  const settings = { BELFRY_DATA_DIR: path, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn', ...env }
  const belfry = await openStandalone(settings)
  return {
    ...belfry,
    folder: path,
    async close() {
      await belfry.stop()
      await remove()
    },
  }
}
