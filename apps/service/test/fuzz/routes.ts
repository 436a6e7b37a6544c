import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance, RouteOptions } from 'fastify'
import type { Schema } from './arbitraries.ts'

/** A route, as the service registered it. */
export interface ServedRoute {
  readonly method: string
  readonly url: string
  readonly schema: {
    readonly params?: Schema
    readonly querystring?: Schema
    readonly body?: Schema
  }
  /** What a request needs to get in. */
  readonly guard: 'nothing' | 'key' | 'token' | 'session'
}

/** Builds something that makes a Fastify app, and tells which routes that app was given. */
export async function listenToRoutes<Built>(
  build: () => Promise<Built>,
): Promise<{ readonly built: Built; readonly routes: readonly ServedRoute[] }> {
  const routes: ServedRoute[] = []
  function onApp(message: unknown): void {
    const { fastify } = message as { readonly fastify: FastifyInstance }
    fastify.addHook('onRoute', ({ method, url, schema, config, onRequest }: RouteOptions) => {
      // Those of many methods are the answers to wrong ones.
      if (typeof method !== 'string') return
      routes.push({
        method,
        url,
        schema: (schema ?? {}) as ServedRoute['schema'],
        guard: onRequest === undefined ? guardOf(method, config) : 'token',
      })
    })
  }
  subscribe('fastify.initialization', onApp)
  try {
    return { built: await build(), routes }
  } finally {
    unsubscribe('fastify.initialization', onApp)
  }
}

function guardOf(method: string, config: RouteOptions['config']): ServedRoute['guard'] {
  if (method === 'GET' || method === 'HEAD') return 'nothing'
  return config?.public === true ? 'session' : 'key'
}
