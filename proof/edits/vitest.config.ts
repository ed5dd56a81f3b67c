import { defineProject } from 'vitest/config'

/** That the edits still fit the source; `npm run proof:edits` applies them. */
export default defineProject({ test: { name: 'edits', root: import.meta.dirname } })
