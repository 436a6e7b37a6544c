import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { families } from './families.ts'

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string }[]
}

function read(path: string): string {
  return readFileSync(new URL(`../../../../docs/${path}`, import.meta.url), 'utf8')
}

const dashboard = JSON.parse(read('grafana/corral.json')) as {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly query: unknown }[] }
}
const rules = (
  parse(read('alerts/corral.rules.yml')) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[]
    }[]
  }
).groups.flatMap((group) => group.rules)

const expressions = [
  ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ...dashboard.templating.list.map(({ query }) => JSON.stringify(query)),
  ...rules.map(({ expr }) => expr),
]

const byName = new Map(
  families.flatMap((family) => {
    const parts = family.type === 'summary' ? ['', '_sum', '_count'] : ['']
    return parts.map((part) => [`${family.name}${part}`, family] as const)
  }),
)

/** What an expression asks for that no metric has. */
function unknownIn(expression: string): string[] {
  const faults: string[] = []
  for (const [, name = '', selector = ''] of expression.matchAll(
    /\b(cache_\w+)(?:\{([^}]*)\})?/g,
  )) {
    const family = byName.get(name)
    if (family === undefined) faults.push(name)
    for (const [, label = ''] of selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)) {
      if (!['cache', ...(family?.labels ?? [])].includes(label)) faults.push(`${name}{${label}}`)
    }
  }
  // What it is summed by must be a label of one of its metrics, or one that Prometheus adds.
  const labels = [...expression.matchAll(/\b(cache_\w+)/g)].flatMap(
    ([, name = '']) => byName.get(name)?.labels ?? [],
  )
  for (const [, list = ''] of expression.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of list.split(',').map((each) => each.trim())) {
      if (!['cache', 'instance', ...labels].includes(label)) faults.push(`by ${label}`)
    }
  }
  return faults
}

describe('dashboard and alerts', () => {
  it('refer only to metrics and labels that exist', () => {
    expect(dashboard.panels.length).toBeGreaterThan(15)
    expect(rules.length).toBeGreaterThan(5)
    expect(expressions.flatMap(unknownIn)).toEqual([])
  })

  it('would be caught with one that does not', () => {
    expect(unknownIn('rate(cache_hit_total[1m])')).toEqual(['cache_hit_total'])
    expect(unknownIn('cache_hits_total{teir="near"}')).toEqual(['cache_hits_total{teir}'])
    expect(unknownIn('sum by (nod) (cache_misses_total)')).toEqual(['by nod'])
  })

  it('show every metric', () => {
    const shown = expressions.join(' ')
    // What is told by others already, or too seldom for a panel.
    const apart = [
      'cache_early_refreshes_total',
      'cache_locks_released_total',
      'cache_group_sets_total',
      'cache_group_loads_total',
    ]
    const missing = families.map(({ name }) => name).filter((name) => !shown.includes(name))
    expect(missing.toSorted()).toEqual(apart.toSorted())
  })

  it('are in the concept page, each metric with its meaning', () => {
    const page = read('concepts/metrics.md')
    expect(families.map(({ name }) => name).filter((name) => !page.includes(`\`${name}`))).toEqual(
      [],
    )
  })
})
