import { createContext, runInContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { makeWorld } from '../world.ts'

interface Sent {
  readonly url: string
  readonly body: unknown
}

/** Runs the script of a page over a form as small as it needs, and submits the form. */
async function submit(given: { status: number; answer: object | null }, fields: Record<string, string>) {
  const { app } = await makeWorld()
  const page = (await app.inject('/first-admin')).body
  const { body: script } = await app.inject('/one-time/page.js')
  const [, action] = /data-action="([^"]+)"/.exec(page) ?? []
  const [, done] = /data-done="([^"]+)"/.exec(page) ?? []
  const sent: Sent[] = []
  const state = { isRemoved: false, address: '/first-admin#the-token' }
  const answer = { textContent: '' }
  let onSubmit = async (_event: { preventDefault(): void }) => undefined
  const form = {
    dataset: { action, done },
    addEventListener: (_name: string, listener: typeof onSubmit) => {
      onSubmit = listener
    },
    remove: () => {
      state.isRemoved = true
    },
  }
  const context = createContext({
    document: { querySelector: (selector: string) => (selector === 'form' ? form : answer) },
    location: { hash: '#the-token', pathname: '/first-admin' },
    history: {
      replaceState: (_state: null, _title: string, address: string) => {
        state.address = address
      },
    },
    FormData: Map.bind(null, Object.entries(fields)),
    async fetch(url: string, { body }: { body: string }) {
      sent.push({ url, body: JSON.parse(body) })
      if (given.answer === null) throw new TypeError('fetch failed')
      return { ok: given.status < 300, json: async () => given.answer }
    },
  })
  runInContext(script, context)
  await onSubmit({ preventDefault: () => undefined })
  return { sent, shown: answer.textContent, ...state }
}

const fields = { username: 'root', password: 'secret of root' }

describe('the page of the first admin', () => {
  it('sends the form with the token of its address, and forgets the token afterwards', async () => {
    const made = { username: 'root', warnings: [{ code: 'short-password', detail: 'It is short.' }] }
    const { sent, shown, isRemoved, address } = await submit({ status: 201, answer: made }, fields)
    expect(sent).toEqual([{ url: '/auth/bootstrap', body: { token: 'the-token', ...fields } }])
    expect(shown).toMatch(/^root is the admin now\..* It is short\.$/)
    expect([isRemoved, address]).toEqual([true, '/first-admin'])
  })

  it('shows why it was refused, and can be sent again', async () => {
    const answer = { detail: 'The name is taken.', errors: [{ pointer: '/username', detail: 'is taken' }] }
    const { shown, isRemoved, address } = await submit({ status: 409, answer }, fields)
    expect(shown).toBe('The name is taken. (username is taken)')
    expect([isRemoved, address]).toEqual([false, '/first-admin#the-token'])
    expect((await submit({ status: 0, answer: null }, fields)).shown).toContain('cannot be reached')
  })

  it.each([
    ['/first-admin', '/auth/bootstrap', true],
    ['/set-password', '/auth/invite', false],
  ])('%s has a form for %s', async (url, action, asksName) => {
    const { app } = await makeWorld()
    const page = await app.inject(url)
    expect([page.statusCode, page.body.includes(`data-action="${action}"`)]).toEqual([200, true])
    expect(page.body.includes('name="username"')).toBe(asksName)
    expect(page.headers['content-security-policy']).not.toContain('unsafe')
  })
})
