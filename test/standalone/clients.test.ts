import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { makeDataDir, startBelfry } from '../../proof/belfry-process.ts'

const NODE_OPTIONS = `--import ${new URL('report-clients.mjs', import.meta.url)}`

it('a standalone process loads no client of Kafka, MongoDB or Consul, because each takes time and memory', async () => {
  const { path, remove } = await makeDataDir()
  const belfry = await startBelfry(path, { env: { NODE_OPTIONS } })
  await belfry.stop()
  await remove()
  expect(belfry.output()).not.toContain('loads ')
})

it('the report names a client that is loaded', () => {
  const options = { cwd: import.meta.dirname, env: { PATH: process.env.PATH, NODE_OPTIONS }, encoding: 'utf8' } as const
  const { stderr } = spawnSync(process.execPath, ['-e', "import('mongoose').then(() => process.exit())"], options)
  expect(stderr).toContain('loads mongoose')
})
