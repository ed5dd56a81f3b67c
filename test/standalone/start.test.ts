import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'
import { eventually, mainFile, makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

async function makeFolder(): Promise<string> {
  const folder = await makeDataDir()
  onTestFinished(folder.remove)
  return folder.path
}

/** Runs the start of a Belfry that does not come up, and answers what it says and its exit code. */
async function runToEnd(env: Record<string, string>, command = [process.execPath, mainFile]) {
  const [program = '', ...args] = command
  const settings = { PATH: process.env.PATH, BELFRY_PORT: '0', BELFRY_LOG_LEVEL: 'warn', ...env }
  const child = spawn(program, args, { env: settings, stdio: ['ignore', 'pipe', 'pipe'] })
  const [out, err, [code]] = await Promise.all([child.stdout.toArray(), child.stderr.toArray(), once(child, 'exit')])
  return { out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString(), code }
}

it('a second start on held data fails for a script, and shows a person the address', async () => {
  const dataDir = await makeFolder()
  const first = await startBelfry(dataDir)
  onTestFinished(async () => void (await first.stop()))
  const text = `Belfry already runs on ${dataDir}, at ${first.url}`
  expect(await runToEnd({ BELFRY_DATA_DIR: dataDir })).toEqual({ out: '', err: `${text}\n`, code: 1 })
  // util-linux gives the command a terminal of its own, and exits as the command did.
  if (process.platform !== 'linux') return
  const command = ['script', '-qec', `${process.execPath} ${mainFile}`, '/dev/null']
  const atTerminal = await runToEnd({ BELFRY_DATA_DIR: dataDir }, command)
  expect([atTerminal.out.trim(), atTerminal.code]).toEqual([text, 0])
})

it('a start that cannot listen says why in one sentence', async () => {
  const dataDir = await makeFolder()
  const holder = createServer()
  // The last port there is: no other is tried after it. Another program that holds it does as well.
  holder.on('error', () => undefined)
  holder.listen(65_535, '127.0.0.1')
  onTestFinished(() => void holder.close())
  const start = (env: Record<string, string>) => runToEnd({ BELFRY_DATA_DIR: dataDir, ...env })
  const taken = await start({ BELFRY_PORT: '65535' })
  expect(taken).toEqual({
    out: '',
    err: 'No port from 65535 to 65535 on 127.0.0.1 is free: set BELFRY_PORT to another one.\n',
    code: 1,
  })
  const inner = await start({ BELFRY_JOB_PORT: '65535' })
  expect([inner.err.split('\n').at(-2), inner.code]).toEqual([
    'Belfry cannot listen on 127.0.0.1, port 65535: another program has this port. See BELFRY_HOST, BELFRY_PORT and those of the services.',
    1,
  ])
  const foreign = await start({ BELFRY_HOST: '203.0.113.7', BELFRY_PORT: '18080' })
  expect([foreign.err, foreign.code]).toEqual([
    'Belfry cannot listen on 203.0.113.7, port 18080: this machine does not have this address. See BELFRY_HOST, BELFRY_PORT and those of the services.\n',
    1,
  ])
})

it('Ctrl-C says what it waits for, and the second one ends the process', async () => {
  const dataDir = await makeFolder()
  const belfry = await startBelfry(dataDir, { env: { BELFRY_LOG_LEVEL: 'info' } })
  onTestFinished(() => belfry.kill())
  const user = await signUp(belfry.url)
  const job = { jobType: 'DUMMY', params: { durationMs: 600_000 }, delay: '0s' }
  const { id } = (await user.call<{ id: string }>('POST', '/jobs', job)).body
  await eventually('the run to be at work', async () => {
    const { body } = await user.call<{ data: { status: string }[] }>('GET', `/jobs/${id}/executions`)
    return body.data[0]?.status === 'RUNNING' || undefined
  })
  // The job of the first start is a run too.
  await eventually('hello to be over', async () => belfry.output().includes('hello ran') || undefined)
  belfry.interrupt()
  const text =
    'Stopping: waiting up to 30 s for 1 run to finish. Ctrl-C again ends it now; the next start repeats what was cut short.'
  await eventually('it to say what it waits for', async () => belfry.output().includes(text) || undefined)
  // A signal that comes within half a second belongs to the same key press, so it is sent until it counts.
  const code = await eventually('the process to end', async () => {
    belfry.interrupt()
    return Promise.race([belfry.exited, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 100))])
  })
  expect(code).toBe('130')
})
