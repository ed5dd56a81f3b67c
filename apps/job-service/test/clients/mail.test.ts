import { createManualClock } from '@belfry/service'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMailer } from '../../src/clients/mail.ts'
import { mailOf, messageOf } from '../../src/domain/message.ts'
import { jobOf, monday } from '../fixtures.ts'
import { startMailServer } from '../mail-server.ts'
import { notificationOf } from '../notification-samples.ts'
import { until } from '../world.ts'

describe('mails', () => {
  let server: Awaited<ReturnType<typeof startMailServer>>
  beforeAll(async () => {
    server = await startMailServer()
  })
  afterAll(() => server.close())

  const clock = createManualClock()
  const reported = { event: 'failed', executions: [], missed: [], reason: null } as const
  const context = { notification: notificationOf(), now: monday, baseUrl: 'https://belfry.example' }

  it('say in words what a message reports', () => {
    const job = jobOf({ name: 'close\r\nBcc: x@example.com', key: 'close' })
    const { subject, text } = mailOf(messageOf({ ...reported, job }, context))
    expect(subject).toBe('[Belfry] close Bcc: x@example.com failed')
    expect(text.split('\n')).toContain(`See: https://belfry.example/jobs/${job.id}`)
  })

  it('are sent through the server, with a sender, a receiver and an id that stays', async () => {
    const mailer = createMailer({ url: server.url, from: 'Belfry <belfry@ops.example>', timeoutMs: 2000, clock })
    const mail = { to: 'you@example.com', id: 'dlv-1', subject: 'Wörd', text: 'The job failed.' }
    expect(await mailer.send(mail)).toEqual({ kind: 'delivered', status: null })
    expect(await mailer.send({ ...mail, to: 'unknown@example.com' })).toMatchObject({
      kind: 'failed',
      error: 'The mail server did not take the mail: it answered 550.',
    })
    mailer.close()
    const [sent = ''] = server.mails
    for (const part of ['Message-ID: <dlv-1@ops.example>', 'From: Belfry <belfry@ops.example>', 'To: you@example.com'])
      expect(sent).toContain(part)
    expect(sent).toContain('The job failed.')
    expect(server.mails).toHaveLength(1)
  })

  it('fail, to be tried again, while the server is away', async () => {
    const mailer = createMailer({ url: 'smtp://127.0.0.1:1', from: 'belfry@ops.example', timeoutMs: 500, clock })
    const failed = await mailer.send({ to: 'you@example.com', id: 'dlv-1', subject: 'x', text: 'x' })
    expect(failed).toMatchObject({ kind: 'failed', retryAfterMs: null })
    mailer.close()
  })

  it('are not begun while others take up the connections, so that none is sent by two processes', async () => {
    const mailer = createMailer({ url: server.url, from: 'belfry@ops.example', timeoutMs: 60_000, clock })
    const mail = { to: 'slow@example.com', subject: 'x', text: 'x' }
    const begun = ['dlv-1', 'dlv-2'].map((id) => mailer.send({ ...mail, id }))
    const waiting = mailer.send({ ...mail, id: 'dlv-3' })
    await until(() => server.held.length === 2)
    await clock.advance(60_000)
    expect(await waiting).toEqual({ kind: 'interrupted' })
    const next = mailer.send({ ...mail, id: 'dlv-4' })
    const before = server.mails.length
    server.letThrough()
    expect(await Promise.all([...begun, next])).toEqual(Array(3).fill({ kind: 'delivered', status: null }))
    expect(server.mails).toHaveLength(before + 3)
    expect(server.mails.filter((sent) => sent.includes('<dlv-3@'))).toEqual([])
    mailer.close()
  })
})
