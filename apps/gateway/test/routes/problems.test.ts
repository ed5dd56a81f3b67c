import { problems } from '@belfry/contracts'
import { describe, expect, it } from 'vitest'
import { makeWorld } from '../world.ts'

const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }

describe('the page of a problem', () => {
  it.each(Object.entries(problems))(
    '%s says what it means and what to do',
    async (slug, { status, title, retryable }) => {
      const { app } = await makeWorld()
      const described = await app.inject(`/problems/${slug}`)
      expect(described.json()).toMatchObject({ type: `/problems/${slug}`, code: slug, status, title, retryable })
      const { meaning, whatToDo, example } = described.json()
      const page = await app.inject({ url: `/problems/${slug}`, headers: browser })
      expect(page.headers['content-type']).toBe('text/html; charset=utf-8')
      for (const { headers } of [described, page]) expect(String(headers.vary).split(', ')).toContain('accept')
      const shown = page.body.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>')
      for (const text of [title, slug, meaning, whatToDo, JSON.stringify(example)]) expect(shown).toContain(text)
    },
  )

  it('runs no script and loads nothing', async () => {
    const { app } = await makeWorld()
    for (const url of ['/problems', '/problems/not-found']) {
      const page = await app.inject({ url, headers: browser })
      expect(page.body).not.toMatch(/<script|<link|<img|https?:| on\w+=| style=/)
      expect(page.headers['content-security-policy']).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; base-uri/)
      expect(page.headers['content-security-policy']).not.toContain('unsafe')
    }
  })

  it('is one of a list', async () => {
    const { app } = await makeWorld()
    const list = (await app.inject('/problems')).json().data
    expect(list.map((one: { code: string }) => one.code).sort()).toEqual(Object.keys(problems).sort())
    const page = (await app.inject({ url: '/problems', headers: browser })).body
    for (const slug of Object.keys(problems)) expect(page).toContain(`href="/problems/${slug}"`)
    expect((await app.inject('/problems/toString')).statusCode).toBe(404)
  })
})
