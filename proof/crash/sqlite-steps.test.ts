import { afterAll, describe, it } from 'vitest'
import { createHosts, killsOf, pointTimeoutMs } from './hosts.ts'

const together = { concurrent: true, timeout: pointTimeoutMs }

describe('one process on SQLite that is killed at a durable step comes right', together, () => {
  const hosts = createHosts('sqlite')
  afterAll(() => hosts.close())
  it.each(killsOf('sqlite'))('%s', (_name, kill) => hosts.kill(kill))
})
