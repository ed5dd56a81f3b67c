import { openStandalone } from '@belfry/standalone'
import { afterAll, beforeAll } from 'vitest'
import { makeDataDir, raisedLimits } from '../../proof/belfry-process.ts'
import { type Caller, signUp } from '../../proof/caller.ts'

/** What a flow test has: the address, and a user who is logged in. */
export interface Flow {
  readonly url: string
  readonly user: Caller
}

/**
 * Gives the tests of one file a Belfry: the one at `BASE_URL`, or a standalone one in this process on a fresh data
 * folder, with `env` added to its settings. The flow is there once `beforeAll` has run.
 */
export function useBelfry(env: Readonly<Record<string, string>> = {}): Flow {
  const flow = { url: '', user: undefined as unknown as Caller }
  let close: () => Promise<void> = async () => {}
  beforeAll(async () => {
    // Vitest sets the variable too, to the path of a page.
    const given = process.env.BASE_URL
    if (given?.startsWith('http')) flow.url = given
    else {
      const folder = await makeDataDir()
      const belfry = await openStandalone({
        BELFRY_DATA_DIR: folder.path,
        BELFRY_PORT: '0',
        BELFRY_EXECUTOR_ALLOW_PRIVATE: 'true',
        BELFRY_LOG_LEVEL: 'error',
        ...raisedLimits,
        ...env,
      })
      flow.url = belfry.url
      close = async () => {
        await belfry.stop()
        await folder.remove()
      }
    }
    flow.user = await signUp(flow.url)
  })
  afterAll(() => close())
  return flow
}
