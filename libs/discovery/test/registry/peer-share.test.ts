import { describe, expect, it } from 'vitest'
import { createPeerShare, createStaticRegistry, createStaticTable, type Instance } from '../../src/index.ts'

function instance(port: number): Instance {
  const service = 'scheduler-service'
  return { service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port }
}

function process(table = createStaticTable()) {
  const registry = createStaticRegistry(table)
  return { registry, share: createPeerShare({ registry, service: 'scheduler-service' }) }
}

describe('the share of an instance among its peers', () => {
  it('is everything for a single instance, before and after it registers', async () => {
    const { registry, share } = process()
    expect(share()).toEqual({ index: 0, instances: 1 })
    await registry.register(instance(4001))
    expect(share()).toEqual({ index: 0, instances: 1 })
  })

  it('goes by the order of the ids, so that three instances have three different places', async () => {
    const table = createStaticTable()
    const [first, second, third] = [process(table), process(table), process(table)]
    await third.registry.register(instance(4003))
    await first.registry.register(instance(4001))
    await second.registry.register(instance(4002))
    expect([first, second, third].map(({ share }) => share())).toEqual([
      { index: 0, instances: 3 },
      { index: 1, instances: 3 },
      { index: 2, instances: 3 },
    ])
    await second.registry.deregister(instance(4002))
    expect([first.share(), third.share()]).toEqual([
      { index: 0, instances: 2 },
      { index: 1, instances: 2 },
    ])
  })

  it('counts the own instance beside the others while the registry does not list it', async () => {
    const table = createStaticTable()
    const { registry, share } = process(table)
    await registry.register(instance(4002))
    table.change('scheduler-service', [instance(4001), instance(4003)])
    expect(share()).toEqual({ index: 1, instances: 3 })
    expect(process(table).share()).toEqual({ index: 2, instances: 3 })
  })

  it('does not count the instances of other services', async () => {
    const { registry, share } = process()
    await registry.register(instance(4001))
    await registry.register({ service: 'job-service', id: 'a', host: '127.0.0.1', port: 4002 })
    expect(share()).toEqual({ index: 0, instances: 1 })
  })

  it('is the same object until the instances change', async () => {
    const { registry, share } = process()
    await registry.register(instance(4001))
    expect(share()).toBe(share())
  })
})
