import { createAuthCache } from '@corral/auth-cache'
import { authPlugin } from '@corral/auth-cache/fastify'
import { createCacheClient } from '@corral/client'
import { shareConnection } from '@corral/connection'
import { createCache } from '@corral/core'
import { createLocks } from '@corral/locks'
import { createMetrics } from '@corral/metrics'
import { fastify, type FastifyInstance } from 'fastify'
import type { Redis } from 'ioredis'
import type { ServiceConfig } from './config.ts'
import type { ServiceContext } from './context.ts'
import { openDatabase } from './database.ts'
import { createHandlers } from './jobs/handlers.ts'
import { registerApiKey } from './plugins/api-key.ts'
import { registerDrain } from './plugins/drain.ts'
import { registerMethodNotAllowed } from './plugins/method-not-allowed.ts'
import { answerBrokenRequest, registerProblems, sendProblem } from './plugins/problem.ts'
import { createJobQueue } from './queue.ts'
import { createReader } from './reader.ts'
import { firstContact, openRedis } from './redis.ts'
import { routeGroups } from './routes/index.ts'
import { createSource } from './source.ts'
import { createTokens } from './tokens.ts'

export interface Service {
  readonly app: FastifyInstance
  /** The client that queue, worker, cache and locks share. */
  readonly redis: Redis
  /** Listens; resolves with the address. */
  start(): Promise<string>
  /**
   * Stops accepting, answers what was accepted, lets jobs finish, closes everything. Resolves with
   * false if something had to be cut off.
   */
  close(): Promise<boolean>
}

/** Puts the service together; nothing listens before `start()`. Redis may be away. */
export async function buildService(config: ServiceConfig): Promise<Service> {
  const app = createApp(config)
  const { log } = app
  const shared = openRedis(config.redisUrl, log)
  const redis = shared.client
  const connection = shareConnection(redis)
  const database = await openDatabase({
    users: config.databaseUsers,
    latencyMs: config.databaseLatencyMs,
    pool: config.databasePool,
  })
  const cache = createCache({
    connection,
    namespace: config.cacheNamespace,
    ttl: config.cacheTtlMs / 1000,
    staleWhileRevalidate: config.cacheStaleMs / 1000,
    ...(config.cacheNearEntries > 0 && { near: { maxEntries: config.cacheNearEntries } }),
  })
  const client = createCacheClient({
    // Its own namespace: whoever may read any key of the cache may not read a user's own things.
    cache: cache.child('app'),
    sessions: { ttl: config.sessionTtlMs / 1000, absoluteTtl: config.sessionAbsoluteTtlMs / 1000 },
  })
  const auth = createAuthCache({ cache, jwt: 'never' })
  const tokens = createTokens(database, config.tokenTtlMs)
  const locks = createLocks({ connection, namespace: config.cacheNamespace })
  const metrics = createMetrics({
    cache,
    locks,
    // Whatever is cached beside users counts as `other`.
    groups: [{ prefix: 'user:', name: 'users' }],
  })
  metrics.logEvery(config.metricsLogEveryMs / 1000, log)
  const source = createSource(database)
  const reader = createReader({ cache, source, negativeTtlMs: config.cacheNegativeTtlMs })
  const queue = createJobQueue({
    redis,
    prefix: config.queuePrefix,
    name: config.queueName,
    concurrency: config.workerConcurrency,
    available: () => connection.available,
    handlers: createHandlers({ cache, database, locks, reader, source }),
    onError: (error) => log.debug({ reason: error.message }, 'queue'),
  })

  registerProblems(app)
  const stopping = registerDrain(app)
  registerApiKey(app, config.apiKey)
  // For the routes that take `onRequest: app.authenticate`: before their bodies are read.
  await app.register(authPlugin, { auth, verify: tokens.verify })
  const closeMethods = registerMethodNotAllowed(app)
  const context: ServiceContext = {
    config,
    redis,
    connection,
    cache,
    client,
    auth,
    tokens,
    locks,
    metrics,
    reader,
    database,
    queue,
    stopping,
  }
  for (const routes of routeGroups) await app.register(routes(context))
  closeMethods()
  await app.ready()
  await firstContact(redis, connection)

  async function close(): Promise<boolean> {
    await app.close()
    const finished = await queue.close(config.shutdownTimeoutMs / 2)
    reader.close()
    metrics.close()
    client.close()
    await auth.close()
    await locks.close()
    await cache.close()
    await connection.close()
    await shared.close()
    await database.close()
    return finished
  }

  let closing: Promise<boolean> | undefined
  return {
    app,
    redis,
    start: () => app.listen({ host: config.host, port: config.port }),
    close: () => (closing ??= close()),
  }
}

function createApp(config: ServiceConfig): FastifyInstance {
  return fastify({
    logger: { level: config.logLevel },
    bodyLimit: config.bodyLimit,
    // A slow sender may not hold a connection for ever.
    requestTimeout: 10_000,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 1000 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false } },
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
  })
}
