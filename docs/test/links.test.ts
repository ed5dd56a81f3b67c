import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const pages = globSync(['*.md', '{docs,examples,handlers,infra,bench,proof,libs,apps}/**/*.md'], {
  cwd: root,
  exclude: (path) => path.includes('node_modules'),
})

const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** The page without its blocks of code; code within a line stays. */
function proseOf(path: string): string {
  return read(path).replaceAll(/^( *)(`{3,})[^\n]*\n[\s\S]*?^\1\2 *$/gm, '')
}

/** The anchor that a renderer of GitHub's Markdown gives a heading. */
function anchorOf(heading: string): string {
  const text = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '')
  return text
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** A heading that comes again gets a number. */
function anchorsOf(path: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of proseOf(path).matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const anchor = anchorOf(heading)
    let known = anchor
    for (let nth = 1; anchors.has(known); nth++) known = `${anchor}-${nth}`
    anchors.add(known)
  }
  return anchors
}

/** Why a link leads nowhere; undefined when it leads somewhere, or out of the repository. */
function issueOf(page: string, target: string): string | undefined {
  if (/^(?:https?|mailto):/.test(target)) return undefined
  const [path = '', anchor] = target.split('#')
  const to = path === '' ? page : relative(root, resolve(root, dirname(page), decodeURI(path)))
  if (to.startsWith('..') || !existsSync(join(root, to))) return `${page} links to ${target}, which is not there`
  if (anchor === undefined) return undefined
  if (statSync(join(root, to)).isDirectory() || !to.endsWith('.md'))
    return `${page} links to ${target}, which has no anchors`
  return anchorsOf(to).has(decodeURI(anchor)) ? undefined : `${page} links to ${target}: there is no such heading`
}

/** The names of pages in the comments of a source file. */
function pagesInComments(source: string): string[] {
  const comment = /\.ya?ml$/.test(source) ? /#.*$/gm : /\/\*[\s\S]*?\*\/|(?<!:)\/\/.*$/gm
  const names = [...read(source).matchAll(comment)].flatMap(([text]) => [
    ...text.matchAll(/(?<![\w/.*-])((?:[\w.-]+\/)*[\w-]+\.md)\b/g),
  ])
  return names.map((found) => found[1] ?? '')
}

const linksIn = (page: string) =>
  [...proseOf(page).matchAll(/\]\(([^()\s]+(?:\([^()\s]*\)[^()\s]*)*)\)/g)].map((found) => found[1] ?? '')

describe('the documents', () => {
  it('have many links', () => {
    expect(pages.length).toBeGreaterThan(50)
    expect(pages.flatMap(linksIn).length).toBeGreaterThan(60)
  })

  it('link to what is there, page and heading', () => {
    const issues = pages.flatMap((page) => linksIn(page).flatMap((target) => issueOf(page, target) ?? []))
    expect(issues).toEqual([])
  })

  it('name no page that is not there, also without a link', () => {
    const known = new Set(pages.map((page) => basename(page)))
    const missing = pages.flatMap((page) =>
      [...proseOf(page).matchAll(/(?<![\w/.:*-])((?:[\w.-]+\/)*[\w-]+\.md)\b/g)]
        .map((found) => found[1] ?? '')
        .filter((name) => !known.has(basename(name)))
        .map((name) => `${page} names ${name}`),
    )
    expect(missing).toEqual([])
  })

  const sources = globSync(
    ['*.{ts,mjs,yml,json}', '{apps,libs,docs,test,proof,bench,infra,examples,handlers}/**/*.{ts,mjs,yml,yaml,json}'],
    { cwd: root, exclude: (path) => path.includes('node_modules') },
  )

  it('are named by the code where they are', () => {
    const missing = sources.flatMap((source) =>
      [...read(source).matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
        .map(([name]) => name)
        .filter((name) => !existsSync(join(root, name)))
        .map((name) => `${source} names ${name}`),
    )
    expect(missing).toEqual([])
  })

  it('are named by comments with their path from the root', () => {
    const named = sources
      .filter((source) => !source.endsWith('.json'))
      .flatMap((source) => pagesInComments(source).map((name) => ({ source, name })))
    expect(named.length).toBeGreaterThan(150)
    const missing = named.filter(({ name }) => !existsSync(join(root, name)))
    expect(missing.map(({ source, name }) => `${source} names ${name}`)).toEqual([])
  })
})
