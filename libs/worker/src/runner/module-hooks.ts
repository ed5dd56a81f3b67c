import { registerHooks } from 'node:module'
import type { HandlerSource } from './protocol.ts'

/** Packages that a handler may import although its folder does not have them. */
const ours = /^(@belfry\/worker|zod)(\/|$)/

/** The format in which Node runs a file of this name; undefined: as Node decides. */
function formatOf(url: string): string | undefined {
  if (/\.m?ts$/.test(url)) return 'module-typescript'
  return url.endsWith('.mjs') ? 'module' : undefined
}

/**
 * Lets the handler file, and what it imports from beside it, find `@belfry/worker` and `zod` from any folder, and loads the file itself from
 * `source`. The worker package is always this one; zod is the folder's own where it has one.
 */
export function installModuleHooks({ url, text }: HandlerSource): void {
  const own = { parentURL: import.meta.url }
  registerHooks({
    resolve(specifier, context, next) {
      if (!ours.test(specifier)) return next(specifier, context)
      if (specifier.startsWith('@belfry/')) return next(specifier, { ...context, ...own })
      try {
        return next(specifier, context)
      } catch {
        return next(specifier, { ...context, ...own })
      }
    },
    load(found, context, next) {
      const isInPackage = found.includes('/node_modules/')
      const format = isInPackage ? undefined : formatOf(found)
      if (found === url) return { format: format ?? 'module', source: text, shortCircuit: true }
      return next(found, format === undefined ? context : { ...context, format })
    },
  })
}
