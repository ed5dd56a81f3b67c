import { existsSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { searches } from '../model/configurations.ts'
import { applyEdit, edits } from './index.ts'

const root = resolve(import.meta.dirname, '../..')

describe('wrong edits', () => {
  it('are many, each with a name of its own', () => {
    expect(edits.length).toBeGreaterThanOrEqual(20)
    expect(new Set(edits.map(({ name }) => name)).size).toBe(edits.length)
  })

  it.each(edits.map((edit) => [edit.name, edit] as const))('%s still fits the source', (_, edit) => {
    const edited = applyEdit(edit, readFileSync(join(root, edit.file), 'utf8'))
    // Throws where the edited text is no TypeScript.
    expect(stripTypeScriptTypes(edited)).not.toBe('')
  })

  it('name searches and tests that are there', () => {
    const names = searches.map(({ name }) => name)
    expect(edits.flatMap((edit) => edit.searches).filter((name) => !names.includes(name))).toEqual([])
    expect(edits.flatMap((edit) => edit.tests).filter((path) => !existsSync(join(root, path)))).toEqual([])
  })
})
