import { defineConfig } from 'vitest/config'

/** Every app and lib is a project of its own, so that `nx run <project>:test` and `npm test` read one configuration. */
export default defineConfig({
  test: {
    projects: ['apps/*', 'libs/*', 'test', 'docs'],
    coverage: { include: ['apps/*/src/**', 'libs/*/src/**'] },
  },
})
