import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { eventually } from '../../proof/belfry-process.ts'

/** The blocks of a page that are marked as steps. */
export async function readBlocks(path: string, mark: string): Promise<string[]> {
  const text = await readFile(path, 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`sh ${mark}\n(.*?)^\`\`\`$`, 'gms'))].map((block) => block[1] as string)
}

/** One shell in which blocks run one after the other, sharing variables. */
export function openShell(options: { cwd?: string } = {}) {
  const shell = spawn('bash', ['--noprofile', '--norc'], { stdio: ['pipe', 'pipe', 'pipe'], ...options })
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
      const found = await eventually('a block to end', async () => end.exec(output) ?? undefined)
      expect(found[1], output).toBe('0')
      return { printed: output.slice(0, found.index), value: found[2] ?? '' }
    },
    close: () => shell.kill(),
  }
}
