import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { makeDataDir, startBelfry } from '../../proof/belfry-process.ts'
import { signUp } from '../../proof/caller.ts'

/** Start of a data file of ICU (its `UDataInfo` follows): size of the header, then the two magic bytes. */
const packageMark = Buffer.from('CmnD')

/** One file of the ICU data inside the Node binary. The table of contents lists names and places in order. */
function readIcuFile(binary: Buffer, name: string): Buffer {
  for (let at = binary.indexOf(packageMark); at >= 0; at = binary.indexOf(packageMark, at + 4)) {
    const start = at - 12
    if (binary.readUInt16BE(start + 2) !== 0xda27) continue
    const base = start + binary.readUInt16LE(start)
    const entry = (index: number) => {
      const nameAt = base + binary.readUInt32LE(base + 4 + 8 * index)
      const text = binary.toString('latin1', nameAt, binary.indexOf(0, nameAt))
      return { text, place: base + binary.readUInt32LE(base + 8 + 8 * index) }
    }
    for (let index = 0; index + 1 < binary.readUInt32LE(base); index++) {
      if (!entry(index).text.endsWith(`/${name}`)) continue
      const next = entry(index + 1).place
      return binary.subarray(entry(index).place, next > entry(index).place ? next : entry(index).place + 1_000_000)
    }
  }
  throw new Error(`this Node has no ${name}`)
}

/** The zones of this Node under another version, since no second version is at hand. */
async function writeZones(folder: string, version: string): Promise<void> {
  const zones = Buffer.from(readIcuFile(await readFile(process.execPath), 'zoneinfo64.res'))
  const at = zones.indexOf(Buffer.from(process.versions.tz ?? '', 'utf16le'))
  expect(at).toBeGreaterThan(0)
  zones.write(version, at, 'utf16le')
  const [major] = process.versions.icu?.split('.') ?? []
  await mkdir(join(folder, `icudt${major}l`))
  await writeFile(join(folder, `icudt${major}l`, 'zoneinfo64.res'), zones)
}

describe('the time zone data', () => {
  it('is replaced as the docs say, and shown in the log and in /system/services', async () => {
    const data = await makeDataDir()
    onTestFinished(() => data.remove())
    await writeZones(data.path, '2099z')
    const belfry = await startBelfry(join(data.path, 'belfry'), {
      env: { NODE_ICU_DATA: data.path, BELFRY_LOG_LEVEL: 'info' },
    })
    onTestFinished(() => belfry.kill())
    const lines = belfry.output().split('\n')
    expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({ level: 'info', timeZoneData: '2099z' })
    const user = await signUp(belfry.url)
    const { body } = await user.call<{ data: { timeZoneData: string }[] }>('GET', '/system/services')
    expect(body.data.map((one) => one.timeZoneData)).toEqual(['2099z', '2099z', '2099z', '2099z'])
    // The zones themselves are whole: a job in one of them is made, with its local time.
    const schedule = { cron: '30 2 * * *', timezone: 'Europe/Berlin' }
    const made = await user.call<{ nextRunLocal: string }>('POST', '/jobs', { jobType: 'DUMMY', schedule })
    expect(made.body.nextRunLocal).toMatch(/T02:30:00\+0[12]:00\[Europe\/Berlin\]$/)
  })
})
