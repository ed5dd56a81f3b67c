import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { generated } from '../generate.ts'

it.each(Object.keys(generated))('%s says what the code says (mend it with `npm run docs`)', async (name) => {
  const page = await readFile(join(import.meta.dirname, '..', name), 'utf8')
  expect(page).toBe(await generated[name]?.())
})

it('configuration.md has a text of its own for each key', async () => {
  const page = await readFile(join(import.meta.dirname, '../configuration.md'), 'utf8')
  const sections = page.split(/^## /m).slice(1)
  const rows = sections.flatMap((section) => section.split('\n').filter((line) => line.startsWith('| `BELFRY_')))
  const texts = rows.map(
    (row) =>
      row
        .split(/(?<!\\)\|/)
        .at(-2)
        ?.trim() ?? '',
  )
  expect(rows.length).toBeGreaterThan(100)
  expect(texts.filter((text, at) => text.length < 15 || texts.indexOf(text) !== at)).toEqual([])
})
