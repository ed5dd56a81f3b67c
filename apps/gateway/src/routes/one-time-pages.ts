import type { HttpApp } from '@belfry/http'

/** Nothing inline, no other host, no frame: a password is typed here. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

interface PageText {
  readonly title: string
  readonly text: string
  readonly button: string
  readonly done: string
  /** Where the form is sent, with the token of the address. */
  readonly action: string
  readonly asksName: boolean
}

const pages: Readonly<Record<string, PageText>> = {
  '/first-admin': {
    title: 'The first admin',
    text: 'Choose a name and a password, or give those of a user who is there already.',
    button: 'Make this user the admin',
    done: 'is the admin now. Log in with POST /auth/login, or try it at /docs.',
    action: '/auth/bootstrap',
    asksName: true,
  },
  '/set-password': {
    title: 'Set your password',
    text: 'The link works once. All other logins of yours end.',
    button: 'Set the password',
    done: 'has a new password. Log in with POST /auth/login, or try it at /docs.',
    action: '/auth/invite',
    asksName: false,
  },
}

function pageOf({ title, text, button, done, action, asksName }: PageText): string {
  const name = asksName ? '<label>User name <input name="username" autocomplete="username" required></label>' : ''
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Belfry: ${title}</title>
<link rel="stylesheet" href="/one-time/page.css">
</head>
<body>
<h1>${title}</h1>
<p>${text}</p>
<form data-action="${action}" data-done="${done}">
${name}
<label>Password <input name="password" type="password" autocomplete="new-password" required></label>
<button>${button}</button>
</form>
<p id="answer" role="status"></p>
<script src="/one-time/page.js"></script>
</body>
</html>
`
}

const style = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }
label { display: block; margin: 0 0 1rem; }
input { display: block; box-sizing: border-box; width: 100%; padding: .4rem; font: inherit; }
button { padding: .4rem 1rem; font: inherit; }
`

/** The token stands behind "#", so that no server and no log on the way sees the address with it. */
const script = `const form = document.querySelector('form')
const answer = document.querySelector('#answer')
form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const body = { token: location.hash.slice(1), ...Object.fromEntries(new FormData(form)) }
  try {
    const response = await fetch(form.dataset.action, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const result = await response.json()
    if (response.ok) {
      history.replaceState(null, '', location.pathname)
      form.remove()
    }
    const issues = (result.errors ?? []).map((one) => one.pointer.slice(1) + ' ' + one.detail).join('; ')
    const warnings = (result.warnings ?? []).map((one) => one.detail).join(' ')
    answer.textContent = response.ok
      ? result.username + ' ' + form.dataset.done + ' ' + warnings
      : result.detail + (issues ? ' (' + issues + ')' : '')
  } catch {
    answer.textContent = 'Belfry cannot be reached. Try again.'
  }
})
`

const route = { schema: { hide: true }, config: { access: 'public' } } as const

/** The pages behind the links of one-time tokens: `/first-admin`, which a standalone start prints, and `/set-password`. */
export function mountOneTimePages(app: HttpApp): void {
  for (const [url, text] of Object.entries(pages)) {
    const page = pageOf(text)
    app.get(url, route, (_request, reply) =>
      reply
        .headers({ 'content-security-policy': policy, 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' })
        .type('text/html; charset=utf-8')
        .send(page),
    )
  }
  app.get('/one-time/page.css', route, (_request, reply) => reply.type('text/css; charset=utf-8').send(style))
  app.get('/one-time/page.js', route, (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script))
}
