import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A mail server that takes mails, but for one address; those for `slow@` once they are let through. */
export async function startMailServer() {
  const mails: string[] = []
  const slow = Promise.withResolvers<void>()
  const held: Socket[] = []
  const talk = (socket: Socket) => {
    let text = ''
    let data: string[] | null = null
    const say = (line: string) => void socket.write(`${line}\r\n`)
    const answer = (line: string) => {
      if (data !== null) {
        if (line !== '.') return void data.push(line)
        mails.push(data.join('\n'))
        data = null
        return say('250 taken')
      }
      if (/^EHLO/i.test(line)) return say('250 test')
      if (/^RCPT TO:<unknown@/i.test(line)) return say('550 no such user')
      if (/^RCPT TO:<slow@/i.test(line)) {
        held.push(socket)
        return void slow.promise.then(() => say('250 fine'))
      }
      if (/^DATA/i.test(line)) {
        data = []
        return say('354 go on')
      }
      if (/^QUIT/i.test(line)) return void socket.end('221 bye\r\n')
      say('250 fine')
    }
    socket.setEncoding('utf8').on('error', () => undefined)
    socket.on('data', (chunk) => {
      text += chunk
      const lines = text.split('\r\n')
      text = lines.pop() ?? ''
      for (const line of lines) answer(line)
    })
    say('220 test')
  }
  const server = createServer(talk)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    held,
    letThrough: slow.resolve,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
