import { describe, expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { type Caller, createCaller, signUp } from '../../proof/caller.ts'

interface Job {
  id: string
  key: string | null
  status: string
  state: string
}

const jobsOf = async (user: Caller) => (await user.call<{ data: Job[] }>('GET', '/jobs')).body.data
const helloOf = (user: Caller) =>
  eventually('the job hello to have run', async () => (await jobsOf(user)).find((job) => job.status === 'SUCCESS'))

async function useFolder() {
  const folder = await makeDataDir()
  onTestFinished(() => folder.remove())
  return async (env: Record<string, string> = {}) => {
    const belfry = await startBelfry(folder.path, { env })
    onTestFinished(() => belfry.kill())
    return belfry
  }
}

describe('the job hello', () => {
  it('belongs to the first user who signs up, who sees it at once, and it runs', async () => {
    const start = await useFolder()
    const { url } = await start()
    const first = await signUp(url)
    expect((await jobsOf(first)).map((job) => job.key)).toEqual(['hello'])
    const second = await signUp(url)
    expect(await helloOf(first)).toMatchObject({ key: 'hello', state: 'completed' })
    expect(await jobsOf(second)).toEqual([])
  })

  it('is made once, also when the process dies between the sign-up and the job, and never again', async () => {
    const start = await useFolder()
    const dying = await start({ BELFRY_CRASH_AT: 'users.insert:after#1' })
    const credentials = { username: 'shreyash', password: 'correct horse battery' }
    await expect(createCaller(dying.url, null).call('POST', '/auth/signup', credentials)).rejects.toThrow()
    await dying.exited

    const second = await start()
    const user = await signUp(second.url, credentials.username)
    const hello = await helloOf(user)
    expect((await user.call('POST', '/jobs/hello/cancel')).status).toBe(200)
    await second.stop()

    const third = await start()
    const again = await signUp(third.url, credentials.username)
    await signUp(third.url)
    expect(await jobsOf(again)).toMatchObject([{ id: hello.id, status: 'CANCELLED' }])
  })
})
