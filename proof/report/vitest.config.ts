import { defineProject } from 'vitest/config'

/** The tests of what `npm run proof` stores and writes. */
export default defineProject({ test: { name: 'report', root: import.meta.dirname } })
