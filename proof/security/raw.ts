import { connect } from 'node:net'

/** How long a connection without an answer is waited for, milliseconds. */
const silentMs = 1_500

/** Sends bytes as they are and answers everything that comes back, until the other side closes or is silent. */
export function sendRaw(url: string, bytes: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    const end = () => {
      socket.destroy()
      resolve(text)
    }
    socket.setTimeout(silentMs, end)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', end)
    socket.on('close', end)
  })
}
