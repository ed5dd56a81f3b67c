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
  /** Never rejects: what goes wrong is a result. */
  send(mail: Mail): Promise<AttemptResult>
  close(): void
}

export interface MailerOptions {
  /** `smtp://user:password@host:port` or `smtps://…`. */
  readonly url: string
  readonly from: string
  /** How long the connection, the greeting and an answer may take each, milliseconds. */
  readonly timeoutMs: number
}

/** Mails that go over one connection, and connections at a time. */
const connections = { pool: true, maxConnections: 2, maxMessages: 100 } as const

interface SmtpError {
  readonly code?: unknown
  readonly responseCode?: unknown
}

/** Mails of the one server that the operator has set; nodemailer is loaded with the first mail. */
export function createMailer({ url, from, timeoutMs }: MailerOptions): Mailer {
  let opening: Promise<Transporter> | undefined

  const open = async (): Promise<Transporter> => {
    const { createTransport } = await import('nodemailer')
    const timeouts = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs }
    const access = { disableFileAccess: true, disableUrlAccess: true }
    return createTransport({ url, ...connections, ...timeouts, ...access })
  }

  return {
    async send({ to, subject, text, id }) {
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
      }
    },
    close() {
      void opening?.then((transport) => transport.close()).catch(() => undefined)
    },
  }
}
