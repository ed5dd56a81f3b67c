import { defineProject } from 'vitest/config'

/** The flows once more, on one process per service and the real servers of BELFRY_TEST_*. */
export default defineProject({
  test: {
    name: 'distributed',
    root: import.meta.dirname,
    globalSetup: './fleet-setup.ts',
    testTimeout: 60_000,
    // One set of processes serves all files; they run after those of all other projects.
    fileParallelism: false,
  },
})
