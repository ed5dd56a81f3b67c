import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, it, onTestFinished } from 'vitest'
import { answerClientError } from '../src/client-error.ts'

/** The answer to a request that Node's parser refuses with this code. */
async function answerTo(code: string): Promise<string> {
  const server = createServer((socket) =>
    socket.once('data', () => answerClientError(Object.assign(new Error('refused'), { code }), socket)),
  ).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\n')
  return text(client)
}

it.each([
  ['HPE_HEADER_OVERFLOW', 431, 'The address and the headers of the request are too long together.'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 408, 'The request did not come in whole in time.'],
  ['HPE_INVALID_METHOD', 400, 'What came in is not a whole HTTP request.'],
])('a request that the parser refuses with %s is answered %i, with the reason', async (code, status, detail) => {
  const answer = await answerTo(code)
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
  expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toMatchObject({ status, detail })
})
