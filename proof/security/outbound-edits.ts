import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { closedAddresses, noAddresses } from '../../libs/outbound/test/closed-addresses.ts'
import type { Finding } from './matrix.ts'
import { findHoles, type OutboundModule } from './outbound.ts'

/** A wrong edit of a source file: what stands there once is replaced. */
interface Edit {
  readonly name: string
  readonly find: string
  readonly replace: string
}

const folder = new URL('../../libs/outbound/src/', import.meta.url)

/** Each range is left out once, and each other rule of an address. */
function addressEdits(source: string): Edit[] {
  const ranges = [...source.matchAll(/^ {2}\['([^']+)', (\d+)\],.*\n/gm)]
  const rules = [
    ['names count as addresses', 'if (family === 0 || ', 'if (family === 0) return true\n  if ('],
    ['zone ids are taken', " || address.includes('%')", ''],
    ['no range of IPv6 is closed', ' && !closed6.check', ' || closed6.check'],
    ['all of IPv6 is public', "open6.check(address, 'ipv6') && ", ''],
    ['all of IPv4 is public', "!closed4.check(address, 'ipv4')", 'true'],
  ] as const
  return [
    ...ranges.map(([find, network, prefix]) => ({ name: `${network}/${prefix} is open`, find, replace: '' })),
    ...rules.map(([name, find, replace]) => ({ name, find, replace })),
  ]
}

const connectionEdits: readonly Edit[] = [
  {
    name: 'an address in the URL is not checked',
    find: '!literal || config.allowPrivate || isPublicAddress(options.hostname)',
    replace: 'true || literal',
  },
  {
    name: 'the addresses of a name are not checked',
    find: 'allowPrivate || addresses.every',
    replace: 'true || addresses.every',
  },
  { name: 'one public address of a name is enough', find: 'addresses.every(', replace: 'addresses.some(' },
  {
    name: 'only the first address of a name is checked',
    find: 'addresses.every(',
    replace: 'addresses.slice(0, 1).every(',
  },
  {
    name: 'redirects are followed',
    find: 'owners.run(ownerId, () => agent.request(options))',
    replace:
      "owners.run(ownerId, async () => agent.compose((await import('undici')).interceptors.redirect({ maxRedirections: 3 })).request(options))",
  },
]

function applyEdit({ name, find, replace }: Edit, text: string): string {
  const parts = text.split(find)
  if (parts.length !== 2) throw new Error(`the edit "${name}" finds its text ${parts.length - 1} times`)
  return parts.join(replace)
}

let edited = 0

/** The module of a text, whose imports are those of the file that it was. */
async function load<T>(text: string, into: string): Promise<T> {
  const absolute = text
    .replaceAll(/from '\.\/([^']+)'/g, (_, name: string) => `from '${new URL(name, folder)}'`)
    .replaceAll("'undici'", `'${import.meta.resolve('undici')}'`)
  edited += 1
  const path = join(into, `edited-${edited}.ts`)
  await writeFile(path, absolute)
  return import(/* @vite-ignore */ pathToFileURL(path).href)
}

interface AddressModule {
  isPublicAddress(address: string): boolean
}

/** The corpus against sources with one rule less each: it has to find every hole, or it would find none. */
export async function checkOutboundEdits(): Promise<Finding> {
  const into = await mkdtemp(join(tmpdir(), 'belfry-outbound-'))
  const [addresses, outbound] = await Promise.all(
    ['addresses.ts', 'outbound.ts'].map((name) => readFile(new URL(name, folder), 'utf8')),
  )
  const unexpected: string[] = []
  const ofAddresses = addressEdits(addresses ?? '')
  const corpus = [...closedAddresses, ...noAddresses]
  try {
    const asIs = await load<AddressModule & OutboundModule>(addresses ?? '', into)
    if (corpus.some((one) => asIs.isPublicAddress(one))) unexpected.push('the source as it is has a hole')
    for (const edit of ofAddresses) {
      const { isPublicAddress } = await load<AddressModule>(applyEdit(edit, addresses ?? ''), into)
      if (!corpus.some((one) => isPublicAddress(one))) unexpected.push(`the corpus does not find that ${edit.name}`)
    }
    for (const edit of connectionEdits) {
      const found = await findHoles(await load<OutboundModule>(applyEdit(edit, outbound ?? ''), into))
      if (found.length === 0) unexpected.push(`the corpus does not find that ${edit.name}`)
    }
  } finally {
    await rm(into, { recursive: true, force: true })
  }
  const checks = ofAddresses.length + connectionEdits.length
  return { what: 'wrong edits of the outbound rules', checks, unexpected }
}
