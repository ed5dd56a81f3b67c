import { defineConfig } from 'vitest/config'

/** The proofs that take minutes (`npm run proof:crash` and others, see README.md): not part of `npm test`. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
<<<<<<< HEAD
    include: ['{chaos,crash,fuzz,operations,security}/*.test.ts'],
    // Of the crash points, which alone run side by side. Those of one process run two at a time: more would measure the machine, not the protocol.
    maxConcurrency: 4,
    fileParallelism: false,
    testTimeout: 90_000,
    reporters: ['default', './report/reporter.ts', '../test/missing-peers.ts'],
=======
    include: ['{chaos,crash,fuzz,operations,security,simulation}/*.test.ts'],
    // Each case runs a Belfry of its own; more of them at a time would measure the machine, not the protocol.
    maxConcurrency: 2,
    fileParallelism: false,
    testTimeout: 90_000,
    reporters: ['default', '../test/missing-peers.ts', './report/reporter.ts'],
>>>>>>> 27a44e771517b4e22bc44669a268fedd9179100a
    hookTimeout: 60_000,
  },
})
