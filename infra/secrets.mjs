// Writes the secrets of the compose environment into .env (mode 0600), once: `node infra/secrets.mjs`. A variable that is
// set there already stays as it is, so a second call changes nothing. Any Node from 18 runs it.
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const file = fileURLToPath(new URL('../.env', import.meta.url))
const names = [
  'BELFRY_BUS_KEY',
  'BELFRY_SERVICE_KEY',
  'BELFRY_SECRETS_KEY',
  'BELFRY_BOOTSTRAP_TOKEN',
  'GRAFANA_PASSWORD',
]

const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
const isSet = (name) => new RegExp(`^${name}=.+$`, 'm').test(before)
const missing = names.filter((name) => !isSet(name))
const lines = missing.map((name) => `${name}=${randomBytes(32).toString('base64url')}\n`)
const gap = before === '' || before.endsWith('\n') ? '' : '\n'
if (missing.length > 0) writeFileSync(file, before + gap + lines.join(''), { mode: 0o600 })
chmodSync(file, 0o600)
console.log(missing.length > 0 ? `.env: wrote ${missing.join(', ')}` : '.env: every secret is set already')
