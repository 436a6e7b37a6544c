import { describeValue } from '@corral/connection'
import type { FastifyPluginCallback } from 'fastify'
import type { SessionStore } from '../sessions/session-store.ts'
import { reachesParent } from './rate-limit-plugin.ts'

export interface SessionPluginOptions {
  /** The plugin of `@fastify/session`; its own options stand beside, without `store`. */
  readonly plugin: FastifyPluginCallback<never>
  readonly store: SessionStore
  readonly [option: string]: unknown
}

const plugin: FastifyPluginCallback<SessionPluginOptions> = (app, options, done) => {
  const { plugin: session, ...rest } = options
  if (typeof session !== 'function') {
    throw new TypeError(
      `plugin: must be the plugin of @fastify/session, received ${describeValue(session)}`,
    )
  }
  const { store } = options as Partial<SessionPluginOptions>
  if (typeof store?.destroy !== 'function') {
    throw new TypeError(
      `store: must be one of createSessionStore, received ${describeValue(store)}`,
    )
  }
  app.register(session, rest as never)
  done()
}

/**
 * Registers `@fastify/session` with sessions in Redis. It needs `@fastify/cookie` before it.
 *
 * @example
 * ```ts
 * import type { Connection } from '@corral/connection'
 * import { createSessionStore } from '@corral/client'
 * import { sessionPlugin } from '@corral/client/fastify'
 * import fastifyCookie from '@fastify/cookie'
 * import fastifySession from '@fastify/session'
 * import fastify from 'fastify'
 *
 * export async function serve(connection: Connection, secret: string) {
 *   const app = fastify()
 *   await app.register(fastifyCookie)
 *   const store = createSessionStore({ connection, namespace: 'shop' })
 *   await app.register(sessionPlugin, { plugin: fastifySession, store, secret })
 *   return app
 * }
 * ```
 */
export const sessionPlugin: FastifyPluginCallback<SessionPluginOptions> = reachesParent(
  plugin,
  '@corral/client/session',
)
