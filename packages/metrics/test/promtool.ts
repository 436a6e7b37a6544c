/**
 * Asks Debian's promtool what it thinks of the exposition, the alert rules and the dashboard. Not part of CI:
 * `apt-get install prometheus`, then `npx -y pnpm@12 --filter @corral/metrics promtool`; PROMTOOL
 * names another executable.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createCache } from '@corral/core'
import { createLocks } from '@corral/locks'
import { startRedis } from '@corral/testing'
import { Redis } from 'ioredis'
import { Registry } from 'prom-client'
import { createMetrics } from '../src/index.ts'
import { exposeMetrics } from '../src/prometheus/index.ts'

function promtool(args: readonly string[], input?: string): void {
  const { status, stdout, stderr, error } = spawnSync(process.env['PROMTOOL'] ?? 'promtool', args, {
    encoding: 'utf8',
    ...(input !== undefined && { input }),
  })
  if (error !== undefined) throw error
  process.stdout.write(`promtool ${args.join(' ')}: ${status}\n${stdout}${stderr}`)
  if (status !== 0) process.exitCode = 1
}

/** The queries of the dashboard, as rules that promtool can read. */
function dashboardRules(): string {
  const path = fileURLToPath(new URL('../../../docs/grafana/corral.json', import.meta.url))
  const { panels } = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[]
  }
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))
  const rules = queries.map((expr, at) => ({
    record: `dashboard:query:${at}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$cache', '.*'),
  }))
  return JSON.stringify({ groups: [{ name: 'dashboard', rules }] })
}

await using server = await startRedis()
const connection = new Redis(server.port, server.host, {
  maxRetriesPerRequest: null,
  socketTimeout: 15_000,
})
await using cache = createCache({ connection, namespace: 'shop:v1', near: { maxEntries: 10 } })
await using locks = createLocks({ connection, namespace: 'shop' })
using metrics = createMetrics({ cache, locks, groups: (key) => key.split(':')[0] })
const registry = new Registry()
exposeMetrics(registry, metrics)

await cache.getOrSet('user:1', async () => 'Ada')
await cache.set('user:2', 'Grace')
for (let n = 0; n < 200; n++) await cache.get('user:2')
await cache.delete('user:1')
await cache.invalidateTags(['team:1'])
await cache.getOrSet('user:3', async () => Promise.reject(new Error('source'))).catch(() => {})
await locks.using('invoice:42', async () => 'done')

promtool(['check', 'metrics'], await registry.metrics())
promtool([
  'check',
  'rules',
  fileURLToPath(new URL('../../../docs/alerts/corral.rules.yml', import.meta.url)),
])
const folder = mkdtempSync(join(tmpdir(), 'corral-promtool-'))
const file = join(folder, 'dashboard.yml')
writeFileSync(file, dashboardRules())
promtool(['check', 'rules', file])
rmSync(folder, { recursive: true })
connection.disconnect()
