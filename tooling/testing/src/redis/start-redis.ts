import { releasePort } from '../free-port.ts'
import { isLimitedRun } from '../acl/limited-run.ts'
import { attachToRedis } from './external-redis.ts'
import { createHandle, createMember, type Member } from './deployment.ts'
import { launchCluster } from './cluster.ts'
import { failOverInCluster } from './cluster-failover.ts'
import { failOverBySentinel, launchSentinels } from './sentinel.ts'
import { commonDirectives, MASTER_NAME } from './directives.ts'
import { dockerAnswers } from './docker-answers.ts'
import { findBackend, type BackendSources } from './find-backend.ts'
import { findBinary, findCli } from './find-binary.ts'
import { installByApt } from './install-by-apt.ts'
import { launchServer } from './launch-server.ts'
import { launchPair, promote } from './replica.ts'
import type { ServerBackend } from './server.ts'
import type { RedisMode, StartRedisOptions, TestRedis } from './test-redis.ts'

const MODES: readonly RedisMode[] = ['standalone', 'replica', 'sentinel', 'cluster']

/**
 * Starts a private Redis on free loopback ports. It keeps nothing on disk unless asked, and ends
 * with this process at the latest; `stop()` or `await using` ends it sooner.
 */
export async function startRedis(options: StartRedisOptions = {}): Promise<TestRedis> {
  const { mode = 'standalone', args = [] } = options
  if (!MODES.includes(mode)) {
    throw new TypeError(`mode must be one of ${MODES.join(', ')}, received '${mode}'`)
  }
  const external = process.env['TEST_REDIS_URL']
  const takesExternal =
    mode === 'standalone' && args.length === 0 && !options.prefer && !options.version
  if (external && takesExternal && !isLimitedRun()) return attachToRedis(external)

  const backend = await findBackend(options, sourcesFor(mode))
  const started: Member[] = []
  const note = (member: Member): void => void started.push(member)
  try {
    return await launch(backend, mode, args, note)
  } catch (error) {
    await Promise.all(started.map((member) => member.server.remove()))
    for (const { node } of started) releasePort(node.port)
    throw error
  }
}

async function launch(
  backend: ServerBackend,
  mode: RedisMode,
  args: readonly string[],
  started: (member: Member) => void,
): Promise<TestRedis> {
  const password = passwordIn(args)
  const common = { mode, source: backend.kind, cli: findCli(), password }

  if (mode === 'replica') {
    const members = await launchPair(backend, args, password, started)
    const failover = (master: Member): Promise<Member> => {
      const next = members.find((member) => member !== master)
      if (next === undefined) throw new Error('there is no replica to promote')
      return promote(master, next, password)
    }
    return createHandle({ ...common, members, sentinels: [], failover })
  }
  if (mode === 'sentinel') {
    const members = await launchPair(backend, args, password, started)
    const sentinels = await launchSentinels(backend, members[0], password, started)
    const failover = (master: Member): Promise<Member> =>
      failOverBySentinel(members, sentinels, master, password)
    return createHandle({ ...common, members, sentinels, masterName: MASTER_NAME, failover })
  }
  if (mode === 'cluster') {
    const members = await launchCluster(backend, args, password, started)
    const failover = (master: Member): Promise<Member> =>
      failOverInCluster(members, master, password)
    return createHandle({ ...common, members, sentinels: [], failover })
  }

  const server = await launchServer(backend, (port) => ({
    name: 'redis',
    port,
    kind: 'redis',
    directives: commonDirectives(port, backend.bind, backend.version, password),
    args,
  }))
  const member = createMember(server, 'master')
  started(member)
  const failover = (): Promise<never> =>
    Promise.reject(new Error('a standalone server has nobody to fail over to'))
  return createHandle({ ...common, members: [member], sentinels: [], failover })
}

// A registry that could not be reached is not asked again by each test.
const dockerBackends = new Map<string, Promise<ServerBackend>>()

async function loadDockerBackend(
  version: string | undefined,
  alone: boolean,
): Promise<ServerBackend> {
  // Loaded only here: it is large, and most machines that run tests have no use for it.
  const { createDockerBackend } = await import('./docker-backend.ts')
  return createDockerBackend(version, alone)
}

function sourcesFor(mode: RedisMode): BackendSources {
  return {
    env: process.env,
    dockerAnswers,
    docker(version) {
      const alone = mode === 'standalone'
      const known = `${version} ${alone}`
      const backend = dockerBackends.get(known) ?? loadDockerBackend(version, alone)
      dockerBackends.set(known, backend)
      return backend
    },
    binary: findBinary,
    install: () => installByApt(),
    warn: (line) => process.stderr.write(`${line}\n`),
  }
}

/** The password that the user's arguments set, so that our own commands get in. */
function passwordIn(args: readonly string[]): string | undefined {
  const at = args.lastIndexOf('--requirepass')
  return at === -1 ? undefined : args[at + 1]
}
