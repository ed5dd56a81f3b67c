import { expect, it } from 'vitest'
import { runCampaign } from './campaign.ts'

const module = new URL('./broken-worker.ts', import.meta.url)
/** How long the thread of seed 3, which is stuck, is waited for, milliseconds. */
const silentMs = 20_000
/** How long all may take on a machine that does other things as well, milliseconds. */
const campaignMs = 300_000

it(
  'a seed that throws, leaves a rejection, is stuck or ends its thread is a violation, and the campaign goes on',
  async () => {
    const { seeds, failed } = await runCampaign({ from: 1, seeds: 6, workers: 1, module, silentMs })
    const found = failed.map(({ seed, violations: [first] }) => [seed, first?.rule, first?.text])
    expect(seeds).toBe(6)
    expect(found).toEqual([
      [1, 'world', 'it threw Error: this world cannot begin'],
      [2, 'world', 'nothing took Error: nothing waits for this'],
      [3, 'world', `it had no result after ${silentMs} ms`],
      [4, 'world', 'it ended its thread with code 1'],
    ])
  },
  campaignMs,
)
