import { execFileSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { serviceNames } from '@belfry/contracts'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Container {
  readonly image: string
  readonly build?: string
  readonly pull_policy?: string
  readonly env_file?: readonly { readonly path: string; readonly required: boolean }[]
  readonly command?: string
  readonly user?: string
  readonly read_only?: boolean
  readonly container_name?: string
  readonly ports?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Record<string, { readonly condition: string }>
  readonly environment?: Record<string, string>
  readonly volumes?: readonly string[]
}

const compose = parse(read('docker-compose.yml'), { merge: true }) as {
  services: Record<string, Container>
  volumes: Record<string, unknown>
}
const containers = Object.entries(compose.services)
const ours = containers.filter(([name]) => (serviceNames as readonly string[]).includes(name))

describe('docker-compose.yml', () => {
  it('has the five services, each with its own command', () => {
    expect(ours.map(([name]) => name).sort()).toEqual([...serviceNames].sort())
    for (const [name, { command }] of ours) {
      expect(command).toBe(`apps/${name}/src/main.ts`)
    }
  })

  it('builds the image of the five services once, so that scaling one of them restarts none', () => {
    expect(ours.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['gateway'])
    expect(new Set(ours.map(([, { image, pull_policy }]) => `${image} ${pull_policy}`)).size).toBe(1)
    expect(ours[0]?.[1].pull_policy).toBe('never')
  })

  it.each(ours)('%s takes any setting from settings.env, which need not be there', (_, { env_file }) => {
    expect(env_file).toEqual([{ path: 'settings.env', required: false }])
  })

  it.each(containers)('%s has a health check, a pinned image and no fixed name', (_, one) => {
    expect(one.healthcheck?.test.length).toBeGreaterThan(1)
    expect(one.image).toMatch(/:(?:v?\d+\.\d+\.\d+|\$\{BELFRY_VERSION:-local\})$/)
    expect(one.container_name).toBeUndefined()
  })

  it.each(ours)('%s is unprivileged, read-only, and waits for healthy servers', (_, one) => {
    expect(one.user).toBe('node')
    expect(one.read_only).toBe(true)
    expect(one.cap_drop).toEqual(['ALL'])
    expect(one.security_opt).toEqual(['no-new-privileges:true'])
    expect(one.depends_on).toEqual({
      kafka: { condition: 'service_healthy' },
      mongo: { condition: 'service_healthy' },
      consul: { condition: 'service_healthy' },
    })
  })

  it('mounts the handlers of the user into the executors, where they are looked for by default, and cannot be written', () => {
    const handlers = containers.filter(([, { volumes }]) => volumes?.some((one) => one.startsWith('./handlers:')))
    expect(handlers.map(([name, { volumes }]) => [name, volumes])).toEqual([
      ['executor-service', ['./handlers:/belfry/handlers:ro']],
    ])
    expect(read('Dockerfile')).toMatch(/^WORKDIR \/belfry$/m)
    expect(read('apps/executor-service/src/config.ts')).toContain(
      "executorHandlers: z.string().min(1).default('./handlers')",
    )
  })

  it('gives a stop longer than the grace time of a service', () => {
    const graceS = Number(/shutdownGraceMs: count\((\d+)_000/.exec(read('libs/bootstrap/src/config.ts'))?.[1])
    for (const [, { stop_grace_period: grace }] of ours)
      expect(Number.parseInt(grace ?? '', 10)).toBeGreaterThan(graceS)
  })

  it('publishes the gateway and pages for operators only, on loopback unless told otherwise', () => {
    const published = containers.filter(([, { ports }]) => ports !== undefined)
    expect(published.map(([name]) => name).sort()).toEqual(['consul', 'gateway', 'grafana', 'prometheus'])
    for (const [, { ports }] of published)
      for (const port of ports ?? []) expect(port).toMatch(/^(?:127\.0\.0\.1|\$\{BELFRY_BIND:-127\.0\.0\.1\}):/)
  })

  it('holds no secret, and does not start without one', () => {
    for (const [, { environment }] of ours)
      for (const name of ['BELFRY_BUS_KEY', 'BELFRY_SERVICE_KEY', 'BELFRY_SECRETS_KEY'])
        expect(environment?.[name]).toMatch(new RegExp(`^\\$\\{${name}:\\?.+\\}$`))
    // Without it there is no first admin, and everything else works.
    for (const [, { environment }] of ours)
      expect(environment?.BELFRY_BOOTSTRAP_TOKEN).toMatch(/^\$\{BELFRY_BOOTSTRAP_TOKEN:-\}$/)
    const given = [...read('.env.example').matchAll(/^(\w+)=(.*)$/gm)]
    expect(given.length).toBeGreaterThan(0)
    for (const [, , value] of given) expect(value).toBe('')
  })
})

describe('infra/secrets.mjs', () => {
  const run = (folder: string) =>
    String(execFileSync(process.execPath, [join(folder, 'infra/secrets.mjs')], { cwd: folder }))

  it('writes secrets that are long enough once, for the owner only', () => {
    const folder = mkdtempSync(join(tmpdir(), 'belfry-secrets-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    mkdirSync(join(folder, 'infra'))
    cpSync(join(root, 'infra/secrets.mjs'), join(folder, 'infra/secrets.mjs'))
    run(folder)
    const file = join(folder, '.env')
    const first = readFileSync(file, 'utf8')
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const values = [...first.matchAll(/^(\w+)=(.+)$/gm)].map(([, name, value]) => [name, value] as const)
    expect(values.map(([name]) => name)).toEqual([
      'BELFRY_BUS_KEY',
      'BELFRY_SERVICE_KEY',
      'BELFRY_SECRETS_KEY',
      'BELFRY_BOOTSTRAP_TOKEN',
      'GRAFANA_PASSWORD',
    ])
    for (const [, value] of values) expect(Buffer.byteLength(value ?? '')).toBeGreaterThanOrEqual(32)
    expect(new Set(values.map(([, value]) => value)).size).toBe(5)
    expect(run(folder)).toContain('every secret is set already')
    expect(readFileSync(file, 'utf8')).toBe(first)
  })
})

describe('the Dockerfile', () => {
  const text = read('Dockerfile')
  it('needs one pinned image only, runs as a user without rights, and gets signals', () => {
    const froms = [...text.matchAll(/^FROM (\S+)/gm)].map((match) => match[1])
    expect(new Set(froms)).toEqual(new Set(['node:26.10.0-bookworm-slim']))
    expect(text).not.toMatch(/^# syntax=/m)
    expect(text).toMatch(/^USER node$/m)
    expect(text).toMatch(/^ENTRYPOINT \["node"\]$/m)
  })

  it('has the Node that the packages pin', () => {
    const manifest = JSON.parse(read('package.json')) as { optionalDependencies: Record<string, string> }
    for (const version of Object.values(manifest.optionalDependencies)) expect(text).toContain(`node:${version}-`)
  })
})

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly replicas: number
    readonly selector: { readonly matchLabels: Record<string, string> }
    readonly scaleTargetRef: { readonly name: string }
    readonly template: {
      readonly spec: {
        readonly terminationGracePeriodSeconds: number
        readonly containers: readonly {
          readonly args: readonly string[]
          readonly readinessProbe: { readonly httpGet: { readonly path: string } }
          readonly livenessProbe: { readonly httpGet: { readonly path: string } }
          readonly securityContext: { readonly readOnlyRootFilesystem: boolean }
        }[]
      }
    }
  }
}

describe('infra/kubernetes', () => {
  const listed = (parse(read('infra/kubernetes/kustomization.yaml')) as { resources: string[] }).resources
  const manifests = listed.flatMap((file) =>
    parseAllDocuments(read(`infra/kubernetes/${file}`)).map((document) => document.toJS() as Manifest),
  )
  const ofKind = (kind: string) => manifests.filter((one) => one.kind === kind)

  it('lists every file that is there', () => {
    const files = globSync('infra/kubernetes/*.yaml', { cwd: root }).map((path) => path.split('/').at(-1))
    expect([...listed, 'kustomization.yaml'].sort()).toEqual(files.sort())
  })

  it.each(serviceNames)('has a deployment, a service and a disruption budget of %s', (service) => {
    const [deployment] = ofKind('Deployment').filter((one) => one.metadata.name === service)
    const [container] = deployment?.spec.template.spec.containers ?? []
    expect(container?.args).toEqual([`apps/${service}/src/main.ts`])
    expect(container?.readinessProbe.httpGet.path).toBe('/readyz')
    expect(container?.livenessProbe.httpGet.path).toBe('/livez')
    expect(container?.securityContext.readOnlyRootFilesystem).toBe(true)
    expect(deployment?.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(30)
    expect(deployment?.spec.replicas).toBeGreaterThan(1)
    for (const kind of ['Service', 'PodDisruptionBudget'])
      expect(ofKind(kind).map((one) => one.metadata.name)).toContain(service)
  })

  it('scales executors', () => {
    expect(ofKind('HorizontalPodAutoscaler').map((one) => one.spec.scaleTargetRef.name)).toEqual(['executor-service'])
  })
})
