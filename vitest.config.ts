import { defineConfig } from 'vitest/config'
import { missingPeers } from './test/missing-peers.ts'

const projects = ['apps/*', 'libs/*', 'test', 'docs', 'proof/edits', 'proof/model', 'proof/report', 'bench']

/**
 * Every app and lib is a project of its own, so that `nx run <project>:test` and `npm test` read one configuration. Where the
 * servers of the distributed mode are there, the flows run on separate processes too.
 */
export default defineConfig({
  test: {
    projects: missingPeers.length === 0 ? [...projects, 'test/flows'] : projects,
    reporters: ['default', './test/missing-peers.ts'],
    coverage: { include: ['apps/*/src/**', 'libs/*/src/**'] },
  },
})
