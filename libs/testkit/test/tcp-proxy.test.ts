import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTcpProxy, type TcpProxy } from '../src/index.ts'

describe('the TCP proxy', () => {
  let received: string[]
  let server: Server
  let proxy: TcpProxy
  beforeEach(async () => {
    received = []
    server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        received.push(String(bytes))
        socket.write(`re ${bytes}`)
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy = await createTcpProxy(`127.0.0.1:${(server.address() as AddressInfo).port}`)
  })
  afterEach(async () => {
    await proxy.close()
    server.close()
  })

  async function open() {
    const socket = connect(proxy.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }

  it('passes bytes in both directions', async () => {
    const socket = await open()
    socket.write('a')
    expect(String((await once(socket, 'data'))[0])).toBe('re a')
  })

  it('holds bytes back while it hangs', async () => {
    const socket = await open()
    await proxy.set('hang')
    socket.write('a')
    const direct = connect((server.address() as AddressInfo).port, '127.0.0.1')
    direct.write('b')
    await once(direct, 'data')
    expect(received).toEqual(['b'])
    direct.destroy()
    await proxy.set('pass')
    expect(String((await once(socket, 'data'))[0])).toBe('re a')
  })

  it('loses answers, and cuts connections', async () => {
    const socket = await open()
    await proxy.set('lose-answers')
    let answer = ''
    socket.on('data', (bytes) => {
      answer += bytes
    })
    socket.write('a')
    await expect.poll(() => received).toEqual(['a'])
    const closed = once(socket, 'close')
    proxy.cut()
    await closed
    expect(answer).toBe('')
  })

  it('refuses connections and accepts them again on the same port', async () => {
    const socket = await open()
    const closed = once(socket, 'close')
    await proxy.set('refuse')
    await closed
    const refused = connect(proxy.port, '127.0.0.1')
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    await proxy.set('pass')
    await open()
  })
})
