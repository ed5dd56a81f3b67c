import type { Random } from '../random.ts'

/** The fields of a cron expression with their least and largest number, and their names. */
const fields = [
  { least: 0, most: 59, names: [] },
  { least: 0, most: 23, names: [] },
  { least: 1, most: 31, names: [] },
  { least: 1, most: 12, names: ['JAN', 'feb', 'Mar', 'DEC'] },
  { least: 0, most: 7, names: ['SUN', 'mon', 'Fri', 'SAT'] },
] as const
const seconds = fields[0]
const macros = ['@daily', '@hourly', '@weekly', '@monthly', '@yearly', '@annually', '@midnight', '@every 5m']
const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'Africa/Casablanca']

type Field = (typeof fields)[number]

function part({ least, most, names }: Field, at: number, random: Random): string {
  const one = () =>
    names.length > 0 && random.fraction() < 0.3 ? random.oneOf<string>(names) : String(random.between(least, most))
  const kind = random.between(0, 11)
  if (kind <= 3) return '*'
  if (kind === 4) return `*/${random.between(1, most)}`
  if (kind === 5) {
    const from = random.between(least, most)
    return `${from}-${random.between(from, most)}`
  }
  if (kind === 6) return `${least}-${most}/${random.between(1, most)}`
  if (kind === 7 && at === 2) return random.oneOf(['L', 'LW', '15W', '1W', 'L-3', '?'])
  if (kind === 7 && at === 4) return random.oneOf(['5L', 'MON#2', '5#5', 'FRIL', '?'])
  if (kind === 8) return random.oneOf(['H', 'H/15', `H(${least}-${most})`])
  return one()
}

const field = (one: Field, at: number, random: Random) =>
  Array.from({ length: random.oneOf([1, 1, 1, 1, 2, 3]) }, () => part(one, at, random)).join(',')

/** A cron expression that most likely is one. */
export function cronText(random: Random): string {
  if (random.fraction() < 0.05) return random.oneOf(macros)
  const five = fields.map((one, at) => field(one, at, random))
  return (random.fraction() < 0.2 ? [field(seconds, 0, random), ...five] : five).join(' ')
}

export const zoneText = (random: Random) => random.oneOf(zones)

const odd = [...'0123456789*/-,#?LWH@ ()+.~\t\n\0aé漢\'"', '99999999999999999999', '1-', '*/0', '0x1f', '-0', '1e9']

/** The same text after a few changes of single characters. */
export function mutateText(text: string, random: Random): string {
  let changed = text
  for (let left = random.between(1, 4); left > 0; left--) {
    const at = random.between(0, changed.length)
    const kind = random.between(0, 4)
    const until = kind === 0 ? at : at + random.between(1, 3)
    const repeated = kind === 3 ? changed.slice(0, at).repeat(random.between(1, 30)).slice(0, 4000) : ''
    changed = `${changed.slice(0, at)}${kind === 1 ? '' : random.oneOf(odd)}${repeated}${changed.slice(until)}`
  }
  return changed
}
