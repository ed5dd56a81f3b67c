import { defineProject } from 'vitest/config'

/** These tests wait for things that take real time, each with a deadline that says what it waited for in vain. */
export default defineProject({
  test: { name: 'test', testTimeout: 60_000, hookTimeout: 60_000, provide: { baseUrl: process.env.BASE_URL } },
})
