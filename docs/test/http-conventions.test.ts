import { expect, it, vi } from 'vitest'
import { openPage } from './page.ts'

vi.setConfig({ testTimeout: 120_000 })

/** What a block prints, by a text in it, has these marks. */
const prints: readonly (readonly [block: string, marks: readonly RegExp[]])[] = [
  ['TOKEN=', []],
  [
    'OLD=',
    [
      /"success":true,"message":"Created","data":\{/,
      /"jobId":"job-/,
      /"version":0/,
      /"scheduledTime":"2031-01-01T10:00:00"/,
    ],
  ],
  ['"jobTyp"', [/"pointer":"\/jobTyp".*"suggestion":"jobType"/, /"pointer":"\/schedule"/]],
  ['problems/illegal-transition', [/"status":409/, /"whatToDo":"/]],
  ['limit=1&cursor', [/"name":"nightly"/]],
  ['order-4711', [/HTTP\/1\.1 201[\s\S]*HTTP\/1\.1 201[\s\S]*idempotency-replayed: true/i]],
  ['if-match', [/^200$/m, /"code":"version-mismatch"/]],
  ['^ratelimit', [/ratelimit-policy: "user";q=12000;w=60/i, /ratelimit: "user";r=\d+;t=\d+/i]],
  ['accept-encoding', [/content-encoding: br/i, /vary: .*accept-encoding/i, /allow: GET, HEAD, OPTIONS, POST/i]],
  ['"RUNNING"', [/"success":false/, /"message":"[^"]*SCHEDULED, PAUSED, CANCELLED/]],
]

it('the guide to the conventions of HTTP does what it says, command by command', async () => {
  const { shell, blocks: read } = await openPage('docs/guide/http-conventions.md')
  const blocks = await read('guide')
  expect(blocks).toHaveLength(prints.length)
  for (const [index, block] of blocks.entries()) {
    const [name, marks] = prints[index] as (typeof prints)[number]
    expect(block).toContain(name)
    const { printed } = await shell.run(block, 'BELFRY')
    for (const mark of marks) expect(printed).toMatch(mark)
  }
})
