import { defineProject } from 'vitest/config'

/** The part of the model that `npm test` runs; `npm run proof:model` searches all of it. */
export default defineProject({ test: { name: 'model', root: import.meta.dirname, testTimeout: 60_000 } })
