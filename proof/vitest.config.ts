import { defineConfig } from 'vitest/config'

/** The proofs that take minutes (`npm run proof:crash`, `npm run proof:operations`, `npm run proof:scenarios`, `npm run proof:security`, `npm run proof:fuzz`, `npm run proof:simulation`): not part of `npm test`. */
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['{chaos,crash,fuzz,operations,security,simulation}/*.test.ts'],
    // Each case runs a Belfry of its own; more of them at a time would measure the machine, not the protocol.
    maxConcurrency: 2,
    fileParallelism: false,
    testTimeout: 90_000,
    reporters: ['default', '../test/missing-peers.ts', './report/reporter.ts'],
    hookTimeout: 60_000,
  },
})
