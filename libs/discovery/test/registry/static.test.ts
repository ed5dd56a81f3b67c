import { createStaticRegistry, createStaticTable } from '../../src/index.ts'
import { describeRegistry } from './registry.contract.ts'

describeRegistry('a static table', async () => {
  const table = createStaticTable()
  let port = 4_000
  return {
    open: async () => createStaticRegistry(table),
    async instance(service) {
      port += 1
      return { service, id: `${service}-127.0.0.1-${port}`, host: '127.0.0.1', port }
    },
    close: async () => undefined,
  }
})
