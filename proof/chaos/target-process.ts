import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openRecordFile } from './record.ts'
import type { TargetEntry } from './target-record.ts'

// The target of a campaign's jobs, in a process of its own: `node target-process.ts RECORD`. It prints its address. A call to
// `/NAME?ms=N&failures=N` is answered after N milliseconds; the first calls of an idempotency key get 500. The entry of a call is on
// the disk before the call is answered.
const record = await openRecordFile<TargetEntry>(String(process.argv[2]))
const callsByKey = new Map<string, number>()
let calls = 0

const server = createServer(async (request, response) => {
  const at = Date.now()
  const call = calls++
  const header = (name: string) => String(request.headers[name] ?? '')
  const url = new URL(request.url ?? '/', 'http://target')
  const key = header('idempotency-key')
  const earlier = callsByKey.get(key) ?? 0
  callsByKey.set(key, earlier + 1)
  request.resume()
  let isClosed = false
  response.on('close', () => {
    isClosed = true
  })
  await record.add({
    kind: 'call',
    call,
    at,
    name: url.pathname.slice(1),
    key,
    jobId: header('x-job-id'),
    epoch: Number(header('x-job-attempt')),
    fireAt: Date.parse(header('x-job-fire-at')),
  })
  await new Promise((resolve) => setTimeout(resolve, Number(url.searchParams.get('ms') ?? 0)))
  const status = earlier < Number(url.searchParams.get('failures') ?? 0) ? 500 : 200
  await record.add({ kind: 'answer', call, at: Date.now(), status, isClosed })
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ call }))
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})
// The process that started it has gone: nothing is left to be recorded.
process.stdin.resume().on('close', () => process.exit())
