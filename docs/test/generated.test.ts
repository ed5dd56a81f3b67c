import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { generated } from '../generate.ts'

it.each(Object.keys(generated))('%s says what the code says (mend it with `npm run docs`)', async (name) => {
  const page = await readFile(join(import.meta.dirname, '..', name), 'utf8')
  expect(page).toBe(await generated[name]?.())
})
