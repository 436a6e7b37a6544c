import { accountDirectives, sentinelAccountDirectives } from '../acl/limited-run.ts'

type Directives = readonly (readonly string[])[]

/**
 * What every test server has in common: reachable on loopback only, nothing on disk unless asked
 * (`args: ['--appendonly', 'yes']`), and a full synchronisation of a replica that starts at once.
 */
export function commonDirectives(
  port: number,
  bind: string,
  version: string | undefined,
  password: string | undefined,
): Directives {
  const debug = majorOf(version) >= 7 ? [['enable-debug-command', 'yes']] : []
  return [
    ['port', String(port)],
    ['bind', bind],
    ['protected-mode', 'no'],
    ['save', ''],
    ['appendonly', 'no'],
    ['repl-diskless-sync', 'yes'],
    ['repl-diskless-sync-delay', '0'],
    ['repl-ping-replica-period', '1'],
    ...debug,
    ...accountDirectives(password),
  ]
}

export function replicaDirectives(master: { host: string; port: number }): Directives {
  return [['replicaof', master.host, String(master.port)]]
}

export function clusterDirectives(): Directives {
  return [
    ['cluster-enabled', 'yes'],
    ['cluster-config-file', 'nodes.conf'],
    ['cluster-node-timeout', '2000'],
    // A replica whose link was just down may still take over: tests fail over within seconds.
    ['cluster-replica-validity-factor', '0'],
  ]
}

export const MASTER_NAME = 'corral'

export function sentinelDirectives(
  port: number,
  bind: string,
  master: { host: string; port: number },
  password: string | undefined,
): Directives {
  return [
    ['port', String(port)],
    ['bind', bind],
    ['protected-mode', 'no'],
    ['sentinel', 'monitor', MASTER_NAME, master.host, String(master.port), '2'],
    ['sentinel', 'down-after-milliseconds', MASTER_NAME, '1000'],
    ['sentinel', 'failover-timeout', MASTER_NAME, '5000'],
    ['sentinel', 'parallel-syncs', MASTER_NAME, '1'],
    ...sentinelAccountDirectives(MASTER_NAME, password),
  ]
}

function majorOf(version: string | undefined): number {
  const major = Number.parseInt(version ?? '', 10)
  // An unknown version is a current one.
  return Number.isNaN(major) ? 7 : major
}
