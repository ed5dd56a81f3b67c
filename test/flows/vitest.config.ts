import { join } from 'node:path'
import { defineProject } from 'vitest/config'

/** The flows and the calls that must keep working once more, on one process per service and the real servers of BELFRY_TEST_*. */
export default defineProject({
  test: {
    name: 'distributed',
    root: join(import.meta.dirname, '..'),
    include: ['{flows,compat}/**/*.test.ts'],
    globalSetup: './flows/fleet-setup.ts',
    testTimeout: 60_000,
    // One set of processes serves all files; they run after those of all other projects.
    fileParallelism: false,
  },
})
