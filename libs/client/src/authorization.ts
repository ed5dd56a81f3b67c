import type { Schemas } from './operations.ts'
import { ProblemError } from './problem-error.ts'
import type { Authorize, Transport } from './transport.ts'
import type { ClientClock } from './waits.ts'

/** Who the calls are made by: exactly one of the three. */
export type Credentials =
  | { readonly token: string | (() => string | Promise<string>) }
  | { readonly apiKey: string }
  | { readonly login: { readonly username: string; readonly password: string } }

/** How long before its end a token is replaced, milliseconds: longer than a call takes. */
const renewBeforeMs = 30_000

interface Session {
  readonly accessToken: string
  readonly refreshToken: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** Logs in, and keeps the login fresh; calls that need a token at the same time share one renewal. `open` sends without a token. */
function createSession(login: Schemas['LoginBody'], open: Transport, clock: ClientClock): Authorize {
  let session: Session | undefined
  let renewing: Promise<Session> | undefined

  const ask = async (path: string, body: unknown): Promise<Session> => {
    const response = await open.send({ method: 'POST', path, body, isRepeatable: true })
    const { accessToken, refreshToken, expiresIn } = (await response.json()) as Schemas['Login']
    return { accessToken, refreshToken, expiresAt: clock.now() + expiresIn * 1000 }
  }
  const renew = async (): Promise<Session> => {
    const refreshToken = session?.refreshToken
    session = undefined
    try {
      if (refreshToken !== undefined) return await ask('/auth/refresh', { refreshToken })
    } catch (error) {
      // A refresh token that is not taken any more: the password is.
      if (!(error instanceof ProblemError) || error.status !== 401) throw error
    }
    return ask('/auth/login', login)
  }

  return async (isRefused) => {
    const known = session
    const isFresh = known !== undefined && clock.now() < known.expiresAt - renewBeforeMs
    if (isFresh && !isRefused) return `Bearer ${known.accessToken}`
    renewing ??= renew().finally(() => {
      renewing = undefined
    })
    session = await renewing
    return `Bearer ${session.accessToken}`
  }
}

/** How calls say who makes them. */
export function createAuthorization(credentials: Credentials | null, open: Transport, clock: ClientClock): Authorize {
  if (credentials === null) return async () => null
  if ('apiKey' in credentials) return async () => `Bearer ${credentials.apiKey}`
  if ('login' in credentials) return createSession(credentials.login, open, clock)
  const { token } = credentials
  return async () => `Bearer ${typeof token === 'string' ? token : await token()}`
}
