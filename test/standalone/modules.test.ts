import { expect, it, onTestFinished } from 'vitest'
import { makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

/** Prints the name of each package that a process loads, once; `require` and `import` alike. */
const printPackages = `
import { registerHooks } from 'node:module'
const seen = new Set()
registerHooks({
  load(url, context, next) {
    const name = /.*\\/node_modules\\/((?:@[^/]+\\/)?[^/]+)\\//.exec(url)?.[1]
    if (name && !seen.has(name)) process.stderr.write('loaded ' + name + '\\n')
    seen.add(name)
    return next(url, context)
  },
})`

it('the one process loads no client of Kafka, MongoDB or Consul', async () => {
  const folder = await makeDataDir()
  onTestFinished(folder.remove)
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(printPackages)}` }
  const belfry = await startBelfry(folder.path, { env })
  onTestFinished(() => belfry.kill())
  const user = await signUp(belfry.url)
  expect((await user.call('POST', '/jobs', { jobType: 'DUMMY', delay: '1h' })).status).toBe(201)
  await belfry.stop()
  const loaded = [...belfry.output().matchAll(/^loaded (.+)$/gm)].map(([, name]) => name)
  expect(loaded).toContain('fastify')
  expect(loaded.filter((name) => /kafka|mongo|bson|consul/.test(name ?? ''))).toEqual([])
})
