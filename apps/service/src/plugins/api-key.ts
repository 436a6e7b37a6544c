import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { Problem } from './problem.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on a mutating route that needs no API key. */
    readonly public?: boolean
  }
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Wants `x-api-key` on every route that is not a plain read. It goes by method, so that a route
 * added later is protected unless it says `config: { public: true }`.
 */
export function registerApiKey(app: FastifyInstance, apiKey: string): void {
  const expected = digest(apiKey)
  app.addHook('onRequest', async (request) => {
    if (SAFE_METHODS.has(request.method) || request.is404) return
    if (request.routeOptions.config.public === true) return
    const given = request.headers['x-api-key']
    if (given === undefined || given === '') {
      throw new Problem(401, 'This request needs an API key in the header x-api-key.', {
        headers: { 'www-authenticate': 'ApiKey realm="corral-service"' },
      })
    }
    // Digests have one length, so the comparison tells nothing about the key's.
    if (!timingSafeEqual(digest(String(given)), expected)) {
      throw new Problem(403, 'This API key is not known here.')
    }
  })
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
