import { describe, expect, it } from 'vitest'
import { coverageOf, storeKinds, strangers } from '../proof/crash/coverage.ts'

describe('the crash points of proof/crash', () => {
  it.each(storeKinds)('cover every durable step of the stores on %s, or say why one needs no point', (kind) => {
    const missing = coverageOf(kind).filter(({ way }) => way === undefined)
    expect(missing.map(({ service, step }) => `${service} ${step}`)).toEqual([])
  })

  it('name no step that is no more', () => {
    expect(strangers()).toEqual([])
  })
})
