import { globSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '..')

/**
 * Words that are not used, with the term that replaces each (docs/glossary.md). A whole word in any case, in code as in
 * prose. Names of configuration keys, metrics and durable steps are public and contain some of them as a part.
 */
const retired: Record<string, string> = {
  'hearing|heard': 'ingest',
  'keepsakes?': 'attempt output',
  'keeping|drafts?|isKept': 'schedule writer, schedule update, saved',
  workOff: 'advance',
  broughtBack: 'release',
  undelivered: 'fire-log outbox',
  armed: 'start timer',
  'gather(?:s|ed|ing)?': 'batch',
  presence: 'membership',
  'isBehind|turnAway|turnedAway|caughtUp': 'saturated',
  isDeaf: 'ignored abort',
  isAlone: 'sole owner',
  'told|untold|markTold': 'published, reported',
  'glances?|glance[A-Z]\\w*|\\w+Glance': 'summary',
  standing: 'status input',
  '\\w*(?<!de)(?<!pre)fault[sy]?': 'validation issue, invalid',
  'hops?(?!-by-hop)(?<!by-hop)': 'balancer, call',
  'doors?': 'listener',
  'exchange|wire': 'worker client, protocol, message',
  'doubling|doubledMs': 'backoff',
  measureRequests: 'request metrics',
  'clock-?faces?|stretch(?:es)?': 'time of day, offset period',
  'parcels?|receipts?': 'delivery, ack',
  guesses: 'login throttle',
  remains: 'crash state',
  'front|mountFront': 'landing',
  'whoever|somebody|nobody|anybody|someone': 'the component',
  'comes? past|has its say|have had their say|is answered again': 'plain technical English',
}

const scanned = globSync(
  ['apps/**/*.{ts,json}', 'libs/**/*.{ts,json}', 'docs/**/*.{ts,md}', 'README.md', 'CONTRIBUTING.md'],
  {
    cwd: root,
    exclude: (path) => path.includes('node_modules'),
  },
).filter((path) => path !== 'docs/glossary.md')

const allowed =
  /draft-ietf|'draft-2020-12'|an older draft|json-schema\.org|told-to-fail|"\$schema"|\$\.undelivered|undelivered: \[|--faults \d/

describe('plain words', () => {
  it('are looked for in many files', () => expect(scanned.length).toBeGreaterThan(400))

  it.each(Object.entries(retired))('%s is not used: say %s', (words) => {
    const pattern = new RegExp(`\\b(?:${words})\\b`, 'i')
    const found = scanned.flatMap((path) =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .flatMap((line, index) =>
          pattern.test(line) && !allowed.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [],
        ),
    )
    expect(found.map((line) => relative('.', line))).toEqual([])
  })

  it('are in the names of files', () => {
    const words = new RegExp(`(?:^|[/.-])(?:${Object.keys(retired).join('|')})(?=[/.-]|$)`, 'i')
    expect(scanned.filter((path) => words.test(path.replace(/\.(?:ts|md|json)$/, '')))).toEqual([])
  })
})
