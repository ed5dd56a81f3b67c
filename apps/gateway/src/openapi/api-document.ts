/** An operation, as far as it is looked at here. */
interface Operation {
  tags?: string[]
  [field: string]: unknown
}

type Components = Record<string, Record<string, unknown>>

interface ApiInfo {
  title: string
  version: string
  summary?: string
  description?: string
  contact?: { name: string }
  license?: { name: string; identifier: string }
}

/** An OpenAPI 3.1 document, as far as it is looked at here. */
export interface ApiDocument {
  openapi?: string
  info?: ApiInfo
  servers?: { url: string }[]
  tags?: { name: string; description?: string }[]
  paths?: Record<string, Record<string, Operation>>
  components?: Components
}

/** The description of one service; `tag` groups its operations where they name none. */
export interface DescribedService {
  readonly tag: string
  readonly document: ApiDocument
}

/** What the document says of the whole API. */
export interface ApiTexts {
  readonly info: ApiInfo
  /** By tag; the order of the groups. */
  readonly tags: Readonly<Record<string, string>>
}

function tagged(operations: Record<string, Operation>, tag: string): Record<string, Operation> {
  const entries = Object.entries(operations)
  return Object.fromEntries(entries.map(([method, one]) => [method, { ...one, tags: one.tags ?? [tag] }]))
}

/** The tags that are used: those with a text in their order, then the others in the order of their first use. */
function usedTags(paths: NonNullable<ApiDocument['paths']>, texts: ApiTexts['tags']) {
  const operations = Object.values(paths).flatMap((path) => Object.values(path))
  const used = new Set(operations.flatMap((one) => one.tags ?? []))
  const known = Object.keys(texts).filter((name) => used.has(name))
  return [...new Set([...known, ...used])].map((name) => {
    const description = texts[name]
    return description === undefined ? { name } : { name, description }
  })
}

/** Every `#/components/…` that a value refers to. */
function collectRefs(value: unknown, found: Set<string>): Set<string> {
  if (typeof value !== 'object' || value === null) return found
  for (const [name, one] of Object.entries(value)) {
    if (name === '$ref' && typeof one === 'string') found.add(one)
    else collectRefs(one, found)
  }
  return found
}

/** The components that the paths refer to, also over others. Security schemes are named, not referred to. */
function usedComponents(paths: object, { securitySchemes, ...all }: Components): Components {
  const refs = collectRefs(paths, new Set())
  // A set visits what is added while it is walked.
  for (const ref of refs) {
    const [kind = '', name = ''] = ref.slice('#/components/'.length).split('/')
    collectRefs(all[kind]?.[name], refs)
  }
  const kinds = Object.entries(all).map(([kind, members]) => {
    const used = Object.entries(members).filter(([name]) => refs.has(`#/components/${kind}/${name}`))
    return [kind, Object.fromEntries(used.sort(([a], [b]) => (a < b ? -1 : 1)))]
  })
  return { ...Object.fromEntries(kinds), ...(securitySchemes ? { securitySchemes } : {}) }
}

/**
 * One document over all services. `isRouted` answers whether the gateway routes a path; the others (`/internal/*`, and what
 * two services have alike) stay out.
 */
export function mergeDocuments(
  { info, tags }: ApiTexts,
  services: readonly DescribedService[],
  isRouted: (path: string) => boolean,
): ApiDocument {
  const paths: NonNullable<ApiDocument['paths']> = {}
  const components: Components = {}
  for (const { tag, document } of services) {
    for (const [path, operations] of Object.entries(document.paths ?? {})) {
      if (isRouted(path)) paths[path] = { ...paths[path], ...tagged(operations, tag) }
    }
    for (const [kind, members] of Object.entries(document.components ?? {})) {
      components[kind] = { ...components[kind], ...members }
    }
  }
  const shared = { tags: usedTags(paths, tags), paths, components: usedComponents(paths, components) }
  return { openapi: '3.1.0', info, servers: [{ url: '/' }], ...shared }
}
