import type { DeliveryView, NotificationView, Page, Problem, QuotasView } from '@belfry/contracts'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { startMailServer } from '../mail-server.ts'
import { openWorld, pointersOf, until, type World } from '../world.ts'

// Each test opens a world of its own, with a mail server.
vi.setConfig({ testTimeout: 30_000 })

/** A world with a mail server of its own. */
async function openWithMail(config: object = {}, mails?: Awaited<ReturnType<typeof startMailServer>>) {
  const server = mails ?? (await startMailServer())
  const world = await openWorld({ smtpUrl: server.url, ...config } as never)
  const call: World['call'] = (...args) => world.call(...args)
  const notify = async (to: string, user = 'usr-a') => {
    const body = { name: 'Buy at http://spam.example', on: ['failed'], target: { type: 'email', to } }
    const { status, body: made } = await call<NotificationView>('POST', '/notifications', body, { user })
    expect(status, JSON.stringify(made)).toBe(201)
    return made
  }
  const post = (path: string, body?: object, user = 'usr-a') =>
    call<NotificationView & Problem>('POST', path, body, { user })
  const deliveriesOf = async ({ id }: NotificationView, user = 'usr-a') =>
    (await call<Page<DeliveryView>>('GET', `/notifications/${id}/deliveries`, undefined, { user })).body.data
  const mailsAre = (count: number) =>
    until(async () => {
      await world.pass(1)
      return server.mails.length >= count
    })
  const ended = async (made: NotificationView, user = 'usr-a') =>
    until(async () => {
      await world.pass(1)
      const [newest] = await deliveriesOf(made, user)
      return newest && newest.nextAttemptAt === null && newest
    })
  const newestCode = () => /Code: ([A-Z2-9-]+)/.exec(server.mails.at(-1) ?? '')?.[1] ?? ''
  const confirm = ({ id }: NotificationView, code: string, user = 'usr-a') =>
    post(`/notifications/${id}/confirm`, { code }, user)
  const mailsOf = async (user: string) => (await call<QuotasView>('GET', '/quotas', undefined, { user })).body.mails
  return { ...world, server, notify, post, deliveriesOf, mailsAre, ended, newestCode, confirm, mailsOf }
}

const opened: Awaited<ReturnType<typeof openWithMail>>[] = []
async function open(...given: Parameters<typeof openWithMail>) {
  const world = await openWithMail(...given)
  opened.push(world)
  return world
}
afterEach(async () => {
  for (const world of opened.splice(0)) {
    await world.close()
    await world.server.close()
  }
})

describe('the address of a notification by mail', () => {
  it('gets a code, and nothing else before its owner gives that back', async () => {
    const { notify, mailsAre, server, post, ended, newestCode, confirm, deliveriesOf } = await open()
    const made = await notify('you@example.com')
    expect(made.target).toEqual({ type: 'email', to: 'you@example.com', confirmed: false })
    await mailsAre(1)
    expect(server.mails[0]).toContain('To: you@example.com')
    expect(server.mails[0]).not.toContain('spam')
    const [shown] = await deliveriesOf(made)
    expect([shown?.type, JSON.stringify(shown).includes(newestCode())]).toEqual(['notification.confirm', false])
    const test = `/notifications/${made.id}/test`
    expect([(await post(test)).status, (await post(test)).body.code]).toEqual([409, 'conflict'])
    expect((await confirm(made, newestCode(), 'usr-b')).status).toBe(404)
    const wrong = await confirm(made, 'ABCD-EFGH-JKLM-NPQR')
    expect([wrong.status, pointersOf(wrong.body)]).toEqual([422, ['/code']])
    const confirmed = await confirm(made, newestCode().toLowerCase())
    expect([confirmed.status, confirmed.body.target]).toMatchObject([200, { confirmed: true }])
    expect((await post(test)).status).toBe(202)
    await mailsAre(2)
    expect((await ended(made)).status).toBe('delivered')
  })

  it('is confirmed for other notifications of the same user too, and of no other user', async () => {
    const { notify, mailsAre, newestCode, confirm } = await open()
    const first = await notify('you@example.com')
    await mailsAre(1)
    await confirm(first, newestCode())
    expect((await notify('You@example.com')).target).toMatchObject({ confirmed: true })
    expect((await notify('you@example.com', 'usr-b')).target).toMatchObject({ confirmed: false })
  })

  it('has to be confirmed again when it is another one', async () => {
    const { notify, mailsAre, newestCode, confirm, call } = await open()
    const made = await notify('you@example.com')
    await mailsAre(1)
    await confirm(made, newestCode())
    const patch = (to: string) =>
      call<NotificationView>('PATCH', `/notifications/${made.id}`, { target: { type: 'email', to } })
    expect((await patch('you@example.com')).body.target).toMatchObject({ confirmed: true })
    expect((await patch('victim@example.com')).body.target).toMatchObject({ confirmed: false })
    await mailsAre(2)
  })

  it('takes the newest code alone, for a day', async () => {
    const { notify, mailsAre, newestCode, confirm, post, clock } = await open()
    const made = await notify('you@example.com')
    await mailsAre(1)
    const first = newestCode()
    expect((await post(`/notifications/${made.id}/send-code`)).status).toBe(202)
    await mailsAre(2)
    const refused = await confirm(made, first)
    expect(refused.body.errors?.[0]?.code).toBe('wrong-code')
    await clock.advance(86_400_000)
    expect((await confirm(made, newestCode())).body.errors?.[0]?.code).toBe('expired')
    await post(`/notifications/${made.id}/send-code`)
    await mailsAre(3)
    expect((await confirm(made, newestCode())).status).toBe(200)
    expect((await post(`/notifications/${made.id}/send-code`)).status).toBe(409)
  })

  it('asks for another code when the key that has sealed the first one is gone', async () => {
    const { notify, mailsAre, newestCode, confirm, post, restart } = await open()
    const made = await notify('you@example.com')
    await mailsAre(1)
    await restart({ secretsKey: 'another key, as long as keys have to be' })
    const refused = await confirm(made, newestCode())
    expect([refused.status, refused.body.errors?.[0]?.code]).toEqual([422, 'expired'])
    await post(`/notifications/${made.id}/send-code`)
    await mailsAre(2)
    expect((await confirm(made, newestCode())).status).toBe(200)
  })

  it('is none where messages go to a webhook', async () => {
    const { call, post } = await open()
    const target = { type: 'webhook', url: 'https://example.com/' }
    const { body } = await call<NotificationView>('POST', '/notifications', { name: 'x', on: ['failed'], target })
    expect((await post(`/notifications/${body.id}/confirm`, { code: 'x' })).status).toBe(409)
    expect((await post(`/notifications/${body.id}/send-code`)).status).toBe(409)
  })
})

describe('mails', () => {
  it('of one user are so many in an hour, whichever call asks for them; then they wait, and are named in /quotas', async () => {
    const world = await open({ jobMailsPerHour: 3 })
    const { notify, mailsAre, newestCode, confirm, post, server, pass, clock, mailsOf } = world
    const made = await notify('you@example.com')
    await mailsAre(1)
    await confirm(made, newestCode())
    const test = `/notifications/${made.id}/test`
    // Calls at the same moment find room, and their mails are counted when they are sent.
    const asked = await Promise.all([post(test), post(test), post(test)])
    expect(asked.map(({ status }) => status)).toEqual([202, 202, 202])
    await mailsAre(3)
    await pass(5)
    expect([server.mails.length, await mailsOf('usr-a')]).toEqual([3, { used: 3, limit: 3 }])
    const refused = await post(test)
    expect([refused.status, refused.body.code]).toEqual([429, 'quota-exceeded'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1000)
    const [, { id: sentBefore } = { id: '' }] = (await world.deliveriesOf(made)).filter(
      ({ status }) => status === 'delivered',
    )
    expect((await post(`/notifications/deliveries/${sentBefore}/redeliver`)).status).toBe(429)
    expect(await mailsOf('usr-b')).toEqual({ used: 0, limit: 3 })
    await clock.advance(1_200_000)
    await mailsAre(4)
    await pass(5)
    expect(server.mails).toHaveLength(4)
  })

  it('count over a restart', async () => {
    const { notify, mailsAre, server, post, pass, restart } = await open({ jobMailsPerHour: 1 })
    const made = await notify('you@example.com')
    await mailsAre(1)
    await restart()
    expect((await post(`/notifications/${made.id}/send-code`)).status).toBe(429)
    await notify('other@example.com')
    await pass(5)
    expect(server.mails).toHaveLength(1)
  })

  it('with a code go to one address so often in a day, of all users together', async () => {
    const { notify, mailsAre, server, pass, clock } = await open({ jobMailCodesPerDay: 2 })
    for (const user of ['usr-a', 'usr-b', 'usr-c']) await notify(`victim+${user}@example.com`, user)
    await mailsAre(2)
    await pass(5)
    expect(server.mails).toHaveLength(2)
    await notify('else@example.com', 'usr-c')
    await mailsAre(3)
    await clock.advance(43_200_000)
    await mailsAre(4)
  })

  it('go to one address so often in a day, of all users together', async () => {
    const { notify, mailsAre, server, post, pass, newestCode, confirm } = await open({ jobMailsToAddressPerDay: 3 })
    for (const [n, user] of ['usr-a', 'usr-b'].entries()) {
      const made = await notify('team@example.com', user)
      await mailsAre(n === 0 ? 1 : 3)
      expect((await confirm(made, newestCode(), user)).status).toBe(200)
      expect((await post(`/notifications/${made.id}/test`, undefined, user)).status).toBe(202)
      if (n === 0) await mailsAre(2)
    }
    await pass(5)
    expect(server.mails).toHaveLength(3)
  })
})
