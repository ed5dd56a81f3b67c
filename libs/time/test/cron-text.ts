import fc from 'fast-check'

/** Random cron expressions of 5 and 6 fields, in the dialect that Belfry, croner and the naive walk share. */

const words = {
  month: 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' '),
  weekday: 'SUN MON TUE WED THU FRI SAT'.split(' '),
}

function numbers(min: number, max: number, names: string[] = []): fc.Arbitrary<string> {
  const value = fc.integer({ min, max })
  const shown = (n: number) =>
    fc.constantFrom(...(names[n - min] ? [String(n), names[n - min] as string] : [String(n)]))
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`)
  const step = fc.integer({ min: 1, max: max - min + 1 })
  return fc.oneof(
    { weight: 3, arbitrary: value.chain(shown) },
    { weight: 2, arbitrary: range },
    { weight: 1, arbitrary: fc.tuple(range, step).map(([r, n]) => `${r}/${n}`) },
    { weight: 1, arbitrary: step.map((n) => `*/${n}`) },
  )
}

function field(item: fc.Arbitrary<string>, open: number): fc.Arbitrary<string> {
  const list = fc.array(item, { minLength: 1, maxLength: 3 }).map((items) => items.join(','))
  return fc.oneof({ weight: open, arbitrary: fc.constant('*') }, { weight: 3, arbitrary: list })
}

const hours = fc.oneof(field(numbers(0, 23), 1), fc.constantFrom('*', '*/2', '1-23/2', '0,1,2,3', '23', '0', '2'))
const nearest = fc.integer({ min: 1, max: 31 }).map((day) => `${day}W`)
const dayOfMonth = fc.oneof(
  { weight: 8, arbitrary: field(fc.oneof({ weight: 5, arbitrary: numbers(1, 31) }, nearest, fc.constant('L')), 6) },
  { weight: 1, arbitrary: fc.constant('LW') },
)
const weekday = fc.integer({ min: 0, max: 6 })
const nth = fc.tuple(weekday, fc.integer({ min: 1, max: 5 })).map(([day, n]) => `${day}#${n}`)
const lastOne = weekday.map((day) => `${day}L`)
const dayOfWeek = field(
  fc.oneof(
    { weight: 5, arbitrary: numbers(0, 6, words.weekday) },
    nth,
    lastOne,
    fc.constantFrom('7', '5-7', 'SAT-SUN'),
  ),
  6,
)

const five = fc.tuple(field(numbers(0, 59), 1), hours, dayOfMonth, field(numbers(1, 12, words.month), 6), dayOfWeek)

export const cronTextOfMinutes = five.map((fields) => fields.join(' '))

export const cronText = fc.oneof(
  { weight: 3, arbitrary: cronTextOfMinutes },
  { weight: 1, arbitrary: fc.tuple(field(numbers(0, 59), 1), five).map(([s, rest]) => [s, ...rest].join(' ')) },
)
