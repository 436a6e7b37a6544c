import type { IoredisClient, IoredisCluster } from './client/ioredis-like.ts'
import type { ConnectionWarning } from './connection.ts'
import type { ResolvedOptions } from './options.ts'
import type { Server } from './router/router.ts'
import type { SourceId } from './stats-source.ts'
import { throwLater } from './throw-later.ts'
import { traceChannel } from './trace.ts'

const warningTrace = traceChannel('corral:connection:warning')

/** What INFO tells of one server. */
export interface ServerFacts {
  readonly runId: string | undefined
  readonly version: string | undefined
  readonly policy: string | undefined
}

/** Tells once per guard, and on the trace channel. */
export function warner(
  source: SourceId,
  onWarning: ResolvedOptions['onWarning'],
): ResolvedOptions['onWarning'] {
  const told = new Set<string>()
  return (warning) => {
    if (told.has(warning.code)) return
    told.add(warning.code)
    if (warningTrace.hasSubscribers) warningTrace.publish({ source, ...warning })
    try {
      onWarning(warning)
    } catch (error) {
      throwLater(error)
    }
  }
}

type Rule = readonly [
  code: ConnectionWarning['code'],
  applies: (options: Readonly<Record<string, unknown>>) => boolean,
  message: string,
]

const RULES: readonly Rule[] = [
  [
    'COMMAND_TIMEOUT',
    (options) => typeof options['commandTimeout'] === 'number',
    "the client has a commandTimeout: BullMQ's Worker inherits it for its blocking reads and stops taking jobs; Corral bounds its own calls, so leave it out",
  ],
  [
    'AUTO_RESEND_OFF',
    (options) => options['autoResendUnfulfilledCommands'] === false,
    'the client has autoResendUnfulfilledCommands: false: commands in flight when the socket dies never settle (Corral calls do, others hang)',
  ],
  [
    'SENTINEL_FAILOVER_DETECTOR',
    (options) => Array.isArray(options['sentinels']) && options['failoverDetector'] !== true,
    'the client uses Sentinel without failoverDetector: true: after a failover it can stay on the old master, whose writes are lost',
  ],
  [
    'SOCKET_TIMEOUT',
    (options) => options['socketTimeout'] === undefined,
    'the client has no socketTimeout: after a silent network loss the connection stays dead for minutes; 15 s is above what BullMQ needs',
  ],
]

/** Warns about options of a borrowed client that its owner should know of. */
export function warnAboutClient(
  client: IoredisClient | IoredisCluster,
  onWarning: ResolvedOptions['onWarning'],
): void {
  const nested = client.options['redisOptions']
  const options = { ...client.options, ...(typeof nested === 'object' ? nested : {}) }
  for (const [code, applies, message] of RULES) {
    if (applies(options)) onWarning({ code, message })
  }
}

/** Reads INFO of a server that just became usable. Never rejects. */
export async function inspectServer(
  server: Server,
  facts: Map<string, ServerFacts>,
  options: ResolvedOptions,
): Promise<void> {
  let info: string
  try {
    info = String(await server.batcher.plain('info', [], options.deadlineMs))
  } catch {
    // Not allowed, or away again: what is not known is not warned about.
    return
  }
  const field = (name: string): string | undefined =>
    new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const policy = field('maxmemory_policy')
  facts.set(server.link.name, { runId: field('run_id'), version: field('redis_version'), policy })
  if (policy !== undefined && policy !== 'noeviction') {
    options.onWarning({
      code: 'MAXMEMORY_POLICY',
      message: `Redis evicts (maxmemory-policy ${policy}): BullMQ loses jobs or job locks that way; use noeviction, Corral bounds itself`,
    })
  }
}
