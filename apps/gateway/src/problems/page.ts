import { createHash } from 'node:crypto'
import { type ErrorCode, problems } from '@belfry/contracts'
import { problemTexts } from './texts.ts'

/** A problem as a program reads it. */
export function describeProblem(code: ErrorCode) {
  return { type: `/problems/${code}`, code, ...problems[code], ...problemTexts[code] }
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
pre{background:#f4f4f4;padding:1rem;overflow:auto}code{font-family:ui-monospace,monospace}
@media(prefers-color-scheme:dark){body{background:#161616;color:#eee}pre{background:#262626}a{color:#8ab4ff}}`

/** The pages run no script and load nothing; the one style that they have is named by its hash. */
export const problemPolicy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escaped = (text: string) => text.replace(/[&<>"]/g, (found) => entities[found] as string)

function page(title: string, content: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
${content}
</body>
</html>
`
}

/** The problem as its body looks. */
function exampleOf(code: ErrorCode): string {
  const { type, title, status, example, retryable } = describeProblem(code)
  const requestId = '0197a3c2-0000-7000-8000-000000000001'
  return JSON.stringify({ type, title, status, detail: example, code, requestId, retryable }, null, 2)
}

/** A problem as a person reads it. */
export function problemPage(code: ErrorCode): string {
  const { title, status, retryable, meaning, whatToDo } = describeProblem(code)
  const again = retryable ? 'The same request may succeed later.' : 'The same request is refused again.'
  return page(
    `${title} (${code})`,
    `<h1>${escaped(title)}</h1>
<p><code>${code}</code>, HTTP status ${status}. ${again}</p>
<h2>What it means</h2>
<p>${escaped(meaning)}</p>
<h2>What to do</h2>
<p>${escaped(whatToDo)}</p>
<h2>Example</h2>
<pre><code>${escaped(exampleOf(code))}</code></pre>
<p><a href="/problems">All problems</a></p>`,
  )
}

/** Every code, by its status. */
export const errorCodes = (Object.keys(problems) as ErrorCode[]).sort((a, b) => problems[a].status - problems[b].status)

/** All problems, with what each of them means. */
export function problemsPage(): string {
  const rows = errorCodes.map((code) => {
    const { status, meaning } = describeProblem(code)
    return `<dt><a href="/problems/${code}">${code}</a>, ${status}</dt>\n<dd>${escaped(meaning)}</dd>`
  })
  return page('Problems', `<h1>Problems</h1>\n<dl>\n${rows.join('\n')}\n</dl>`)
}
