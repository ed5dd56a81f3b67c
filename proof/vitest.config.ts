import { defineConfig } from 'vitest/config'

/** The proofs that take minutes (`npm run proof:crash` and others, see README.md): not part of `npm test`. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['*.test.ts', '{chaos,crash,fuzz,operations,security,simulation}/*.test.ts'],
    // Of the crash points, which alone run side by side. Those of one process run two at a time: more would measure the machine, not the protocol.
    maxConcurrency: 4,
    fileParallelism: false,
    testTimeout: 90_000,
    reporters: ['default', '../test/missing-peers.ts', './report/reporter.ts'],
    hookTimeout: 60_000,
  },
})
