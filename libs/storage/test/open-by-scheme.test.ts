import { describe, expect, it } from 'vitest'
import { isOutcomeUnknown, openByScheme, StorageError } from '../src/index.ts'

const adapters = {
  sqlite: async (location: string) => `sqlite at ${location}`,
  mongodb: async (location: string) => `mongodb at ${location}`,
}

describe('opening stores by the scheme of a URL', () => {
  it('calls the adapter of the scheme with the rest of the URL', async () => {
    expect(await openByScheme('sqlite:/data/jobs.db', adapters)).toBe('sqlite at /data/jobs.db')
    expect(await openByScheme('sqlite:C:\\data\\jobs.db', adapters)).toBe('sqlite at C:\\data\\jobs.db')
    expect(await openByScheme('mongodb://db/belfry', adapters)).toBe('mongodb at //db/belfry')
  })

  it.each(['redis://db', '/data/jobs.db', '', ':memory:', 'toString:x'])(
    'refuses %j and names the schemes',
    async (url) => {
      await expect(openByScheme(url, adapters)).rejects.toThrow('there are sqlite:, mongodb:')
    },
  )
})

describe('an unknown outcome', () => {
  it('is distinguished from every other error', () => {
    expect(isOutcomeUnknown(new StorageError('outcome-unknown', 'the answer was lost'))).toBe(true)
    expect(isOutcomeUnknown(new StorageError('unavailable', 'no primary'))).toBe(false)
    expect(isOutcomeUnknown(new Error('outcome-unknown'))).toBe(false)
  })
})
