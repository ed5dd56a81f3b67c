import type { Random } from '../random.ts'

type Json = unknown

const wide = 'x'.repeat(70_000)

/** What one field of a body becomes: another type, a bound, a text that nothing should take. */
const strangeValues: readonly ((random: Random) => Json)[] = [
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => 1.5,
  () => Number.MAX_SAFE_INTEGER,
  () => -Number.MAX_SAFE_INTEGER,
  () => 1e300,
  () => 5e-324,
  () => 2 ** 31,
  () => 8_640_000_000_000_001,
  () => '',
  () => ' ',
  () => 'NaN',
  () => '-0',
  () => '\0',
  () => 'a\u0000b',
  () => '\ud800',
  () => 'x\udfff\ud800y',
  () => '‮⁦',
  () => '__proto__',
  () => '{{secret:nothing}}',
  () => "'; DROP TABLE jobs; --",
  () => '$where',
  () => '-271821-04-20T00:00:00Z',
  () => '+275760-09-13T00:00:00.001Z',
  () => '2026-02-30T25:61:61Z',
  () => 'P1Y',
  () => '99999999999d',
  () => wide,
  (random) => 'é'.repeat(random.between(100, 9000)),
  () => [],
  () => ({}),
  () => [null],
  () => ({ $ne: null }),
  () => ({ $gt: '' }),
  () => JSON.parse('{"__proto__": {"isAdmin": true}}') as Json,
  () => ({ constructor: { prototype: { isAdmin: true } } }),
  () => JSON.parse('{"toString": 1, "valueOf": 2, "hasOwnProperty": 3, "then": 4}') as Json,
  () => Array.from({ length: 5000 }, (_, at) => at),
  (random) => nested(random.between(60, 2000)),
]

/** Lists in lists. */
function nested(levels: number): Json {
  let value: Json = 1
  for (let left = levels; left > 0; left--) value = [value]
  return value
}

const strangeNames = [
  '__proto__',
  'constructor',
  'toString',
  '$where',
  'a.b',
  '',
  '\u0000',
  '\ud800',
  'ownerId',
  'role',
  'id',
]

interface Place {
  readonly holder: Record<string, Json> | Json[]
  readonly key: string | number
}

function placesOf(value: Json, found: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null) return found
  for (const key of Object.keys(value)) {
    found.push({ holder: value as Record<string, Json>, key })
    placesOf((value as Record<string, Json>)[key], found)
  }
  return found
}

const define = (holder: object, key: string | number, value: Json) =>
  Object.defineProperty(holder, key, { value, enumerable: true, writable: true, configurable: true })

/** A copy of a value with one thing wrong. */
export function mutateValue(value: Json, random: Random): Json {
  const root = { value: structuredClone(value) }
  const { holder, key } = random.oneOf(placesOf(root))
  const old = Reflect.get(holder, key) as Json
  const kind = random.between(0, 9)
  if (kind === 0 && holder !== root) Reflect.deleteProperty(holder, key)
  else if (kind <= 2 && typeof old === 'object' && old !== null) {
    define(old, random.oneOf(strangeNames), random.oneOf(strangeValues)(random))
  } else if (kind === 3 && typeof old === 'string')
    define(holder, key, `${old}${random.oneOf(['\n', ' ', '\u0000', 'x'])}`)
  else if (kind === 4 && typeof old === 'number') define(holder, key, old + random.oneOf([-1, 1, 0.5, 1e9, -1e9]))
  else if (kind === 5) define(holder, key, [old])
  else define(holder, key, random.oneOf(strangeValues)(random))
  return root.value
}

const mib = 1024 * 1024

/** What only the text of a body can have: duplicate names, numbers that no value has, breaks, bytes that are no text. */
const textChanges: readonly ((json: string, random: Random) => string | Buffer)[] = [
  (json) => json.replace(/^\{("[^"]*":)/, '{$1 null, $1'),
  (json) => json.replace(/\d+/, '1e999'),
  (json) => json.replace(/\d+/, '-0'),
  (json) => json.replace(/\d+/, '9'.repeat(400)),
  (json) => json.replace(/:[^,}\]]+/, ':NaN'),
  (json, random) => json.slice(0, random.between(0, json.length)),
  (json, random) => `${json}${random.oneOf([',', '}', ' x', '\0', '\n\n{}'])}`,
  (json) => `\uFEFF${json}`,
  (json) => `/* */${json}`,
  (json) => json.replaceAll('"', "'"),
  (json, random) => {
    const bytes = Buffer.from(json)
    for (let left = random.between(1, 6); left > 0 && bytes.length > 0; left--)
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255)
    return bytes
  },
  (_json, random) => Buffer.from(Array.from({ length: random.between(1, 200) }, () => random.between(0, 255))),
  (json) => Buffer.from(json, 'utf16le'),
  () => '['.repeat(200_000),
  () => '{"a":'.repeat(40_000),
  () => `"${'\\ud800'.repeat(30_000)}"`,
  () => `[${'0,'.repeat(100_000)}0]`,
  () => `{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":0`).join(',')}}`,
  (_json, random) => random.oneOf(['a', '"', '\0', '[', '9', ' ']).repeat(mib),
]

/** The text of a body that is no valid one; large ones are rare. */
export function mutateText(json: string, random: Random): string | Buffer {
  const rare = random.fraction() < 0.08
  const change = textChanges[random.between(rare ? 13 : 0, rare ? textChanges.length - 1 : 12)]
  return change?.(json, random) ?? json
}

/** Texts for paths, queries and headers. */
export const strangeTexts = [
  '',
  ' ',
  '.',
  '..',
  '../../internal/jobs',
  '%2e%2e%2f',
  '%00',
  '%',
  '%zz',
  '%ff%fe',
  '%ed%a0%80',
  '__proto__',
  'constructor',
  'toString',
  '-1',
  '0',
  '1e999',
  'NaN',
  '9'.repeat(400),
  '[object Object]',
  'a,b,,c',
  '$ne',
  'null',
  'undefined',
  "' OR 1=1 --",
  '漢字😀',
  '-24h',
  '2026-13-45T99:99:99Z',
  '*',
  'x'.repeat(3000),
]
