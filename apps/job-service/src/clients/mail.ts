import type { Clock } from '@belfry/service'
import type { Transporter } from 'nodemailer'
import type { AttemptResult } from '../domain/delivery.ts'

interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  /** The same for each attempt, so that a reader can tell a repetition. */
  readonly id: string
}

/** Sends mails through the configured server. */
export interface Mailer {
  /** Never rejects: what goes wrong is a result. `interrupted`: no connection was free in time, and the mail was not begun. */
  send(mail: Mail): Promise<AttemptResult>
  close(): void
}

export interface MailerOptions {
  /** `smtp://user:password@host:port` or `smtps://…`. */
  readonly url: string
  readonly from: string
  /** How long the wait for a free connection, the connection, the greeting and an answer may take each, milliseconds. */
  readonly timeoutMs: number
  readonly clock: Pick<Clock, 'callAfter'>
}

/** Mails that go over one connection, and connections at a time. */
const connections = { pool: true, maxConnections: 2, maxMessages: 100 } as const

interface SmtpError {
  readonly code?: unknown
  readonly responseCode?: unknown
}

/**
 * Room for so many mails at a time. One that waited within the transport could not be taken back: its lease would end there, and it would
 * be sent once for each time that it is tried again.
 */
function createRoom({ timeoutMs, clock }: Pick<MailerOptions, 'timeoutMs' | 'clock'>, places: number) {
  const waiting = new Map<() => void, (isFree: boolean) => void>()
  let free = places
  return {
    /** False when there was no room in time. */
    enter(): Promise<boolean> {
      if (free > 0) {
        free -= 1
        return Promise.resolve(true)
      }
      return new Promise((resolve) => {
        const giveUp = () => {
          waiting.delete(giveUp)
          resolve(false)
        }
        const timer = clock.callAfter(timeoutMs, giveUp)
        waiting.set(giveUp, (isFree) => {
          timer.cancel()
          waiting.delete(giveUp)
          resolve(isFree)
        })
      })
    },
    leave(): void {
      const [next] = waiting.values()
      if (next) next(true)
      else free += 1
    },
    close(): void {
      for (const end of [...waiting.values()]) end(false)
    },
  }
}

/** Mails of the one server that the operator has set; nodemailer is loaded with the first mail. */
export function createMailer({ url, from, timeoutMs, clock }: MailerOptions): Mailer {
  const room = createRoom({ timeoutMs, clock }, connections.maxConnections)
  let opening: Promise<Transporter> | undefined

  const open = async (): Promise<Transporter> => {
    const { createTransport } = await import('nodemailer')
    const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs }
    const access = { disableFileAccess: true, disableUrlAccess: true }
    return createTransport({ url, ...connections, ...timeouts, ...access })
  }

  return {
    async send({ to, subject, text, id }) {
      if (!(await room.enter())) return { kind: 'interrupted' }
      try {
        opening ??= open()
        const messageId = `<${id}@${
          from
            .split('@')
            .at(-1)
            ?.replace(/[^A-Za-z0-9.-]/g, '') || 'belfry'
        }>`
        const headers = { 'Auto-Submitted': 'auto-generated' }
        await (await opening).sendMail({ from, to, subject, text, messageId, headers })
        return { kind: 'delivered', status: null }
      } catch (error) {
        const { code, responseCode } = error as SmtpError
        const reason = typeof responseCode === 'number' ? `it answered ${responseCode}` : String(code ?? 'no answer')
        const failed = `The mail server did not take the mail: ${reason}.`
        return { kind: 'failed', status: null, error: failed, retryAfterMs: null }
      } finally {
        room.leave()
      }
    },
    close() {
      room.close()
      void opening?.then((transport) => transport.close()).catch(() => undefined)
    },
  }
}
