import { defineProject } from 'vitest/config'

/** A Vitest within a test of another one has the path of a page here. */
const { BASE_URL = '' } = process.env
const baseUrl = BASE_URL.startsWith('http') ? BASE_URL : undefined

/** These tests wait for things that take real time, each with a deadline that says what it waited for in vain. */
export default defineProject({
  test: { name: 'test', testTimeout: 60_000, hookTimeout: 60_000, provide: { baseUrl } },
})
