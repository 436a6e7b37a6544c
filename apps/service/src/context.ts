import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { AuthCache } from '@corral/auth-cache'
import type { CacheClient } from '@corral/client'
import type { Connection } from '@corral/connection'
import type { Cache } from '@corral/core'
import type { Locks } from '@corral/locks'
import type { Metrics } from '@corral/metrics'
import type { Redis } from 'ioredis'
import type { ServiceConfig } from './config.ts'
import type { Database } from './database.ts'
import type { JobQueue } from './queue.ts'
import type { Reader } from './reader.ts'
import type { Tokens } from './tokens.ts'

/** What the routes work with. */
export interface ServiceContext {
  readonly config: ServiceConfig
  /** The one client that queue, worker, cache and locks share. */
  readonly redis: Redis
  /** The same client, guarded. */
  readonly connection: Connection
  readonly cache: Cache
  /** Sessions, flags, limits, bulk and user caches, out of reach of those who read the cache by key. */
  readonly client: CacheClient
  /** What is known of tokens, and what was revoked. */
  readonly auth: AuthCache
  readonly tokens: Tokens
  readonly locks: Locks
  readonly metrics: Metrics
  readonly reader: Reader
  readonly database: Database
  readonly queue: JobQueue
  readonly stopping: () => boolean
}

/** A group of routes: one file in `routes/`, one line in its `index.ts`. */
export type RouteGroup = (context: ServiceContext) => FastifyPluginAsyncTypebox
