import { registerHooks } from 'node:module'

// Reports each client of a server of the distributed mode that the process loads.
registerHooks({
  load(url, context, nextLoad) {
    const client = /\/node_modules\/(mongoose|mongodb|kafkajs|consul)\//.exec(url)?.[1]
    if (client) process.stderr.write(`loads ${client}\n`)
    return nextLoad(url, context)
  },
})
