import { defineProject } from 'vitest/config'

/** The rules by which figures are judged; what is measured with them is no test. */
export default defineProject({ test: { name: 'bench', testTimeout: 20_000 } })
