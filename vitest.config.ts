import { defineConfig } from 'vitest/config'

/** Every app and lib is a project of its own, so that `nx run <project>:test` and `npm test` read one configuration. */
export default defineConfig({
  test: {
    projects: ['apps/*', 'libs/*', 'test', 'docs'],
    // Vitest leaves one core to its own process, which on two cores makes everything wait in one line.
    maxWorkers: '100%',
    coverage: { include: ['apps/*/src/**', 'libs/*/src/**'] },
  },
})
