import { execFileSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { useBelfry } from './flows/belfry.ts'

const root = resolve(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Panel {
  readonly type: string
  readonly title: string
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly expr: string }[]
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly panels: readonly Panel[]
}
interface Rule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

const dashboards = globSync('infra/grafana/dashboards/*.json', { cwd: root }).map(
  (path) => JSON.parse(read(path)) as Dashboard,
)
const rules = (parse(read('infra/prometheus/alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)

/** Words of PromQL and of Prometheus itself that are no metrics of a service. */
const words = new Set([
  'up',
  'time',
  'sum',
  'max',
  'rate',
  'increase',
  'histogram_quantile',
  'abs',
  'by',
  'and',
  'or',
  'le',
])

/** The metrics that an expression names, and every label that it names beside each selector or grouping. */
function namesIn(expr: string): { metrics: string[]; labels: string[] } {
  const labels = [
    ...[...expr.matchAll(/[{,]\s*([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map((match) => match[1] ?? ''),
    ...[...expr.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap((match) =>
      (match[1] ?? '').split(',').map((one) => one.trim()),
    ),
  ]
  const bare = expr.replace(/\{[^}]*\}|\bby\s*\([^)]*\)|"[^"]*"|\[[^\]]*\]/g, ' ')
  const metrics = [...bare.matchAll(/\b[a-z_]+\b/g)].map((match) => match[0]).filter((word) => !words.has(word))
  return { metrics, labels: labels.filter((label) => label !== 'le' && label !== 'job' && label !== 'instance') }
}

const expressions = [
  ...dashboards.flatMap(({ title, panels }) =>
    panels.flatMap((panel) => (panel.targets ?? []).map(({ expr }) => [`${title}, ${panel.title}`, expr] as const)),
  ),
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
]

describe('dashboards and alerts', () => {
  const belfry = useBelfry()
  const kinds = new Map<string, string>()
  const labelsOf = new Map<string, Set<string>>()

  beforeAll(async () => {
    // Those of the distributed mode's adapters, which a standalone process does not load, stand in the sources.
    for (const path of globSync('{apps,libs}/*/src/**/*.ts', { cwd: root }))
      for (const match of read(path).matchAll(/\.(counter|gauge|histogram)\(\s*'(belfry_[a-z_]+)'/g))
        kinds.set(match[2] ?? '', match[1] ?? '')
    const text = await (await fetch(`${belfry.url}/metrics`)).text()
    for (const line of text.split('\n')) {
      const [, name, kind] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
      if (name && kind) kinds.set(name, kind)
      const [, series = '', labels = ''] = /^([a-z_]+)\{([^}]*)\}/.exec(line) ?? []
      const known = labelsOf.get(series) ?? new Set()
      for (const match of labels.matchAll(/([a-z_]+)="/g)) known.add(match[1] ?? '')
      labelsOf.set(series, known)
    }
  })

  /** The metric behind a series: a histogram has three series. */
  const metricOf = (series: string) => {
    const histogram = /^(.+)_(?:bucket|count|sum)$/.exec(series)?.[1]
    return histogram !== undefined && kinds.get(histogram) === 'histogram' ? histogram : series
  }

  it.each(expressions)('%s names only metrics and labels that there are', (_, expr) => {
    const { metrics, labels } = namesIn(expr)
    expect(metrics.filter((name) => !kinds.has(metricOf(name)))).toEqual([])
    // A metric without series has shown no labels yet.
    const shown = metrics.map((name) => labelsOf.get(name)).filter((one) => one !== undefined && one.size > 0)
    if (shown.length === 0 || shown.length < new Set(metrics).size) return
    expect(labels.filter((label) => !shown.some((known) => known?.has(label)))).toEqual([])
  })

  it('has two dashboards that Grafana can provision', () => {
    const sources = parse(read('infra/grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string }[]
    }
    expect(dashboards.map(({ uid }) => uid).sort()).toEqual(['belfry-internals', 'belfry-overview'])
    for (const { panels } of dashboards) {
      const charts = panels.filter(({ type }) => type !== 'row')
      expect(charts.length).toBeGreaterThan(8)
      for (const { datasource, targets } of charts) {
        expect(datasource?.uid).toBe(sources.datasources[0]?.uid)
        expect(targets?.length).toBeGreaterThan(0)
      }
    }
  })

  it('has a runbook for each alert', () => {
    const headings = new Set(
      [...read('docs/alerts.md').matchAll(/^## (.+)$/gm)].map((match) => (match[1] ?? '').toLowerCase()),
    )
    for (const { alert, annotations, labels } of rules) {
      const [file, anchor = ''] = annotations.runbook.split('#')
      expect(basename(file ?? '')).toBe('alerts.md')
      expect(headings).toContain(anchor)
      expect(anchor).toBe(alert.toLowerCase())
      expect(['warning', 'critical']).toContain(labels.severity)
    }
  })

  it.skipIf(!hasPromtool())('has rules that promtool accepts', () => {
    const text = execFileSync('promtool', ['check', 'rules', 'infra/prometheus/alerts.yml'], { cwd: root })
    expect(String(text)).toContain('SUCCESS')
  })
})

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
