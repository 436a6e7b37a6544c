import { describeValue } from '@corral/connection'
import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { RateLimitHeaders } from '../limits/rate-limit-headers.ts'
import type { RateLimiter } from '../limits/rate-limiter.ts'
import { clientAddress } from './client-address.ts'

/** How the requests of a route are limited. */
export interface RouteRateLimit {
  readonly limiter: RateLimiter
  /**
   * Who is limited: an id that the server derived, never a header as it came. `undefined` lets a
   * request pass uncounted. @defaultValue the client's address, IPv6 by its /64 network
   */
  readonly subject?: (request: FastifyRequest) => string | undefined | Promise<string | undefined>
  /** How much of the limit a request takes. @defaultValue 1 */
  readonly cost?: (request: FastifyRequest) => number
}

export interface RateLimitPluginOptions extends RouteRateLimit {
  /** Whether routes are limited that say nothing about it. @defaultValue true */
  readonly global?: boolean
  /** When it is asked: `preHandler` where the subject takes authentication. @defaultValue 'onRequest' */
  readonly hook?: 'onRequest' | 'preHandler'
  /** Whether answers carry `RateLimit` and its kin. @defaultValue true */
  readonly headers?: boolean
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `false`: this route is not limited; else what differs from the plugin's options. */
    rateLimit?: boolean | Partial<RouteRateLimit>
  }
}

/** Registered by IANA for answers to a spent quota (draft-ietf-httpapi-ratelimit-headers). */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'

/** What each route has, or takes from the plugin. */
function requireRoute({ limiter, subject, cost }: Partial<RouteRateLimit>): void {
  if (typeof limiter?.consume !== 'function') {
    throw new TypeError(
      `limiter: must be one of createRateLimiter, received ${describeValue(limiter)}`,
    )
  }
  for (const [option, value] of Object.entries({ subject, cost })) {
    if (value !== undefined && typeof value !== 'function') {
      throw new TypeError(`${option}: must be a function, received ${describeValue(value)}`)
    }
  }
}

const plugin: FastifyPluginCallback<RateLimitPluginOptions> = (app, options, done) => {
  const { global = true, hook = 'onRequest', headers = true } = options
  requireRoute(options)
  if (!['onRequest', 'preHandler'].includes(hook)) {
    throw new TypeError(
      `hook: must be 'onRequest' or 'preHandler', received ${describeValue(hook)}`,
    )
  }
  app.addHook('onRoute', ({ config }) => {
    const { rateLimit } = config ?? {}
    if (typeof rateLimit === 'object') requireRoute({ ...options, ...rateLimit })
  })

  async function limit(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const config = request.routeOptions.config?.rateLimit ?? global
    if (config === false) return undefined
    const own = config === true ? {} : config
    const { limiter, subject, cost } = { ...options, ...own }
    const who = subject === undefined ? clientAddress(request.ip) : await subject(request)
    if (who === undefined) return undefined
    const result = await limiter.consume(who, cost?.(request) ?? 1)
    const fields = limiter.headers(result)
    if (headers) reply.headers(fields)
    if (result.allowed) return undefined
    const seconds = result.retryAfter
    if (!headers) reply.header('retry-after', fields['retry-after'])
    await reply
      .code(429)
      .type('application/problem+json')
      .send(
        JSON.stringify({
          type: QUOTA_EXCEEDED,
          title: 'Too Many Requests',
          status: 429,
          detail: `The limit of ${result.limit} was reached; try again in ${seconds} s.`,
          instance: request.url,
          retryAfter: seconds,
          'violated-policies': [policyOf(fields)],
        }),
      )
    return reply
  }

  app.addHook(hook, limit)
  done()
}

/** The policy that decided, by the name that it has in the header fields. */
function policyOf({ ratelimit = '' }: RateLimitHeaders): string {
  return ratelimit.slice(1, ratelimit.indexOf('"', 1))
}

/**
 * Limits requests. Redis away: as the limiter's `onUnavailable` says, within its deadline.
 *
 * @example
 * ```ts
 * import { createRateLimiter } from '@corral/client'
 * import { rateLimitPlugin } from '@corral/client/fastify'
 * import fastify from 'fastify'
 *
 * const app = fastify()
 * const base = { connection: undefined, namespace: 'shop' }
 * const limiter = createRateLimiter(base, { algorithm: 'gcra', limit: 100, window: '1m', name: 'api' })
 * await app.register(rateLimitPlugin, { limiter })
 * app.get('/', () => 'hello')
 * app.get('/health', { config: { rateLimit: false } }, () => 'ok')
 * ```
 */
export const rateLimitPlugin: FastifyPluginCallback<RateLimitPluginOptions> = reachesParent(
  plugin,
  '@corral/client/rate-limit',
)

/** What fastify-plugin does: hooks and decorators hold for the instance that registers it. */
export function reachesParent<Options extends object>(
  made: FastifyPluginCallback<Options>,
  name: string,
): FastifyPluginCallback<Options> {
  return Object.assign(
    (app: FastifyInstance, options: Options, done: (error?: Error) => void) => {
      try {
        made(app, options, done)
      } catch (error) {
        // What is thrown here would end the process.
        done(error as Error)
      }
    },
    {
      [Symbol.for('skip-override')]: true,
      [Symbol.for('fastify.display-name')]: name,
      [Symbol.for('plugin-meta')]: { name, fastify: '5.x' },
    },
  )
}
