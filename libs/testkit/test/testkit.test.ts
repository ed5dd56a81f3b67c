import { jobChangesMessage, jobExecuteMessage, jobStatusMessage } from '@belfry/contracts'
import { createManualClock } from '@belfry/service'
import { describe, expect, it } from 'vitest'
import {
  createTestTokens,
  forgeToken,
  sampleJobChanges,
  sampleJobExecute,
  sampleJobStatus,
  sampleTime,
} from '../src/index.ts'

describe('sample messages', () => {
  it('have the shape of their topics', () => {
    expect(jobChangesMessage.parse(sampleJobChanges())).toEqual(sampleJobChanges())
    expect(jobExecuteMessage.parse(sampleJobExecute())).toEqual(sampleJobExecute())
    expect(jobStatusMessage.parse(sampleJobStatus())).toEqual(sampleJobStatus())
  })

  it('name the execution by its job and fire time, unless the test names it', () => {
    const fireAt = sampleTime + 1000
    expect(sampleJobStatus({ fireAt }).executionId).toBe(sampleJobExecute({ fireAt }).executionId)
    expect(sampleJobStatus({ fireAt }).executionId).not.toBe(sampleJobStatus().executionId)
    expect(sampleJobStatus({ executionId: 'exe-1' }).executionId).toBe('exe-1')
  })
})

describe('test tokens', () => {
  it('are those that a forger with the key would make, byte for byte', () => {
    const { key, claims, token } = createTestTokens(createManualClock())
    const header = { alg: 'EdDSA', typ: 'JWT', kid: key.kid }
    expect(token('usr-1', 'user')).toBe(forgeToken(header, claims('usr-1', ['user']), key.privateKey))
  })

  it('are accepted by the verifier of their key', async () => {
    const { key, verifier, claims } = createTestTokens(createManualClock())
    expect(await verifier.keyOf(key.kid)).toMatch(/^-----BEGIN PUBLIC KEY-----/)
    const accepted = verifier.accept('a token', claims('usr-1', ['admin']))
    expect(accepted).toEqual({ userId: 'usr-1', username: 'usr-1', roles: ['admin'] })
  })
})
