import { randomUUID } from 'node:crypto'

/** An answer as a test wants it: status, headers, and the body as JSON where it is JSON, else as text. */
interface Answer<T = unknown> {
  readonly status: number
  readonly headers: Headers
  readonly body: T
}

/** A caller of the public API through the gateway. */
export interface Caller {
  readonly url: string
  readonly token: string | null
  call<T = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<T>>
}

/** A caller with this token, or with none. */
export function createCaller(url: string, token: string | null): Caller {
  return {
    url,
    token,
    async call<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
      const response = await fetch(`${url}${path}`, {
        method,
        redirect: 'manual',
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = text !== '' && response.headers.get('content-type')?.includes('json')
      return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T }
    },
  }
}

/** Signs up a new user (a random name unless one is given) and logs in. */
export async function signUp(url: string, username = `user-${randomUUID().slice(0, 12)}`): Promise<Caller> {
  const credentials = { username, password: 'correct horse battery' }
  const anonymous = createCaller(url, null)
  const signup = await anonymous.call('POST', '/auth/signup', credentials)
  if (signup.status !== 201 && signup.status !== 409) throw new Error(`signup: ${JSON.stringify(signup.body)}`)
  const login = await anonymous.call<{ token: string }>('POST', '/auth/login', credentials)
  if (login.status !== 200) throw new Error(`login: ${JSON.stringify(login.body)}`)
  return createCaller(url, login.body.token)
}

/** All rows of a list, page by page. */
export async function readAll<T>(user: Caller, path: string): Promise<T[]> {
  const rows: T[] = []
  let cursor: string | null = null
  do {
    const query: string = `${path.includes('?') ? '&' : '?'}limit=200${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`
    const { body } = await user.call<{ data: T[]; page: { nextCursor: string | null } }>('GET', path + query)
    rows.push(...body.data)
    cursor = body.page.nextCursor
  } while (cursor)
  return rows
}
