import { lockDataFolder } from '../src/sqlite/index.ts'

/**
 * The other process of lock.test.ts: takes the lock, announces an address, and holds on until it is killed. On a line
 * of input it collects garbage (when started with --expose-gc) and tries to take the lock a second time.
 */
const folder = process.argv[2] ?? ''

function take(): string {
  const lock = lockDataFolder(folder)
  if (lock.held) lock.announce('http://127.0.0.1:8080')
  return lock.held ? 'held\n' : 'refused\n'
}

process.stdout.write(take())
process.stdin.on('data', () => {
  globalThis.gc?.()
  process.stdout.write(take())
})
