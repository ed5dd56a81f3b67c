/** An operation, as far as it is looked at here. */
interface Operation {
  tags?: string[]
  [field: string]: unknown
}

/** An OpenAPI 3.1 document, as far as it is looked at here. */
export interface ApiDocument {
  openapi?: string
  info?: { title: string; version: string; description?: string }
  servers?: { url: string }[]
  tags?: { name: string }[]
  paths?: Record<string, Record<string, Operation>>
  components?: Record<string, Record<string, unknown>>
}

/** The description of one service; `tag` groups its operations where they name none. */
export interface DescribedService {
  readonly tag: string
  readonly document: ApiDocument
}

function tagged(operations: Record<string, Operation>, tag: string): Record<string, Operation> {
  const entries = Object.entries(operations)
  return Object.fromEntries(entries.map(([method, one]) => [method, { ...one, tags: one.tags ?? [tag] }]))
}

/** Every tag in the order of its first use, which is the order in which readers see the groups. */
function usedTags(paths: NonNullable<ApiDocument['paths']>): { name: string }[] {
  const operations = Object.values(paths).flatMap((path) => Object.values(path))
  return [...new Set(operations.flatMap((one) => one.tags ?? []))].map((name) => ({ name }))
}

/**
 * One document over all services. `isRouted` answers whether the gateway routes a path; the others (`/internal/*`, and what
 * two services have alike) stay out.
 */
export function mergeDocuments(
  info: { title: string; version: string; description: string },
  services: readonly DescribedService[],
  isRouted: (path: string) => boolean,
): ApiDocument {
  const paths: NonNullable<ApiDocument['paths']> = {}
  const components: NonNullable<ApiDocument['components']> = {}
  for (const { tag, document } of services) {
    for (const [path, operations] of Object.entries(document.paths ?? {})) {
      if (isRouted(path)) paths[path] = { ...paths[path], ...tagged(operations, tag) }
    }
    for (const [kind, members] of Object.entries(document.components ?? {})) {
      components[kind] = { ...components[kind], ...members }
    }
  }
  return { openapi: '3.1.0', info, servers: [{ url: '/' }], tags: usedTags(paths), paths, components }
}
