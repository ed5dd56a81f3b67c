import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openStandalone } from '@belfry/standalone'
import { expect, it, onTestFinished } from 'vitest'
import { eventually, makeDataDir } from '../../proof/belfry-process.ts'
import { createCaller } from '../../proof/caller.ts'

const readme = join(import.meta.dirname, '../../README.md')

/** The blocks of the README that are marked as steps of the tour. */
async function readTour(): Promise<string[]> {
  const text = await readFile(readme, 'utf8')
  return [...text.matchAll(/^```sh tour\n(.*?)^```$/gms)].map((block) => block[1] as string)
}

/** One shell in which blocks run one after the other, sharing variables. */
function openShell() {
  const shell = spawn('bash', ['--noprofile', '--norc'], { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  let blocks = 0
  return {
    /** Runs a block; answers what it printed and the value of `$variable` after it. */
    async run(block: string, variable: string): Promise<{ printed: string; value: string }> {
      output = ''
      const marker = `end-of-block-${++blocks}`
      shell.stdin.write(`${block}\necho; echo "${marker} $? $${variable} ."\n`)
      const end = new RegExp(`^${marker} (\\d+) (.*?) ?\\.$`, 'm')
      const found = await eventually('a block of the README to end', async () => end.exec(output) ?? undefined)
      expect(found[1], output).toBe('0')
      return { printed: output.slice(0, found.index), value: found[2] ?? '' }
    },
    close: () => shell.kill(),
  }
}

it('the tour of the README does what it says, command by command', async () => {
  const folder = await makeDataDir()
  const belfry = await openStandalone({
    BELFRY_DATA_DIR: folder.path,
    BELFRY_PORT: '0',
    BELFRY_LOG_LEVEL: 'warn',
  })
  const shell = openShell()
  onTestFinished(async () => {
    shell.close()
    await belfry.stop()
    await folder.remove()
  })
  const blocks = (await readTour()).map((block) => block.replaceAll('http://127.0.0.1:8080', belfry.url))
  const [signup, list, report, results, more, cancel, mistake, ...rest] = blocks as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  expect(rest).toEqual([])

  const signedUp = await shell.run(signup, 'TOKEN')
  expect(signedUp.printed).toContain('short-password')
  const user = createCaller(belfry.url, signedUp.value)
  expect((await shell.run(list, 'TOKEN')).printed).toContain('"key":"hello"')
  const reported = await shell.run(report, 'EXECUTION')
  expect(reported.value).toMatch(/^exe-/)
  // A reader takes longer than a script to get to the next block.
  await eventually('the report', async () => {
    const { body } = await user.call<{ status: string }>('GET', `/executions/${reported.value}`)
    return body.status === 'SUCCESS' ? true : undefined
  })
  const shown = await shell.run(results, 'JOB')
  expect(shown.printed).toContain('"status":"SUCCESS"')
  expect(shown.printed).toContain('region')
  expect((await shell.run(more, 'JOB')).printed).toContain('"key":"job-100"')
  expect((await shell.run(cancel, 'JOB')).printed).toContain('"effective":"now"')
  const refused = await shell.run(mistake, 'JOB')
  expect(refused.printed).toContain('"suggestion":"jobType"')
  expect(refused.printed).toContain('/priority')
  expect(refused.printed).toContain('"pointer":"/schedule"')
})
