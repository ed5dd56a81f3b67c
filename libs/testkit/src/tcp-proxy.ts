import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/**
 * What the proxy does with its connections.
 * `pass`: all bytes arrive. `hang`: none arrive until another mode is set, as from a stopped process.
 * `lose-answers`: what clients send arrives, and what the server answers is thrown away.
 * `refuse`: the port is closed and all connections are cut, as from a process that was killed.
 */
export type TcpProxyMode = 'pass' | 'hang' | 'lose-answers' | 'refuse'

/** A port between a test and a real server, so that a test makes the server fail for itself only. */
export interface TcpProxy {
  /** On 127.0.0.1; stays the same in all modes. */
  readonly port: number
  set(mode: TcpProxyMode): Promise<void>
  /** Cuts all connections; new ones are accepted as the mode says. */
  cut(): void
  close(): Promise<void>
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
}

export interface TcpProxyOptions {
  /**
   * Asked for each piece of an answer of the server: with `cut` it is thrown away and its connection is cut, so what was sent has
   * happened, and its answer is lost.
   */
  readonly onAnswer?: (bytes: Buffer) => 'pass' | 'cut'
}

/** `target`: `host:port` of the server, or a URL that contains one. */
export async function createTcpProxy(target: string, { onAnswer }: TcpProxyOptions = {}): Promise<TcpProxy> {
  const [, host = '127.0.0.1', port] = /^(?:[a-z+]+:\/\/)?(?:[^@/]*@)?([^:/]+):(\d+)/.exec(target) ?? []
  const pairs = new Set<Pair>()
  let mode: TcpProxyMode = 'pass'

  const setFlow = ({ client, server }: Pair) => {
    for (const socket of [client, server]) mode === 'hang' ? socket.pause() : socket.resume()
  }
  const cut = () => {
    for (const { client, server } of pairs) for (const socket of [client, server]) socket.destroy()
  }

  const listener = createServer((client) => {
    const pair = { client, server: connect(Number(port), host) }
    const { server } = pair
    pairs.add(pair)
    client.on('data', (bytes) => server.write(bytes))
    server.on('data', (bytes) => {
      if (mode === 'lose-answers') return
      if (onAnswer?.(Buffer.from(bytes)) === 'cut') client.destroy()
      else client.write(bytes)
    })
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        pairs.delete(pair)
        other.destroy()
      })
    }
    setFlow(pair)
  })
  const listen = async (at: number) => {
    listener.listen(at, '127.0.0.1')
    await once(listener, 'listening')
  }
  const unlisten = async () => {
    if (!listener.listening) return
    const closed = once(listener, 'close')
    listener.close()
    cut()
    await closed
  }
  await listen(0)
  const { port: own } = listener.address() as AddressInfo

  return {
    port: own,
    async set(next) {
      mode = next
      if (mode === 'refuse') return unlisten()
      if (!listener.listening) await listen(own)
      for (const pair of pairs) setFlow(pair)
    },
    cut,
    close: unlisten,
  }
}
