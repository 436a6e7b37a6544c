import { describeValue, isCorralError } from '@corral/connection'
import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthCache } from '../auth-cache.ts'
import type { AuthIdentity, Verify } from '../authenticate/verify.ts'
import { bearerToken } from './bearer.ts'

/** How requests are authenticated. */
export interface AuthPluginOptions {
  readonly auth: AuthCache
  /** Finds out at the source whether a token is good. */
  readonly verify: Verify<AuthIdentity>
  /** Where the token of a request stands. @defaultValue `Authorization: Bearer <token>` */
  readonly token?: (request: FastifyRequest) => string | undefined
  /**
   * Whether routes need authentication that say nothing about it (`config.auth`). Otherwise a route takes
   * `preHandler: app.authenticate`. @defaultValue false
   */
  readonly global?: boolean
  /**
   * When the tokens of routes with `config.auth` are looked at: `onRequest` before bodies are read, so that
   * nobody unknown has one parsed or checked; `preHandler` where `token` takes it from a body. @defaultValue 'preHandler'
   */
  readonly hook?: 'onRequest' | 'preHandler'
}

declare module 'fastify' {
  interface FastifyInstance {
    /** A `preHandler` (or `onRequest`) that lets only authenticated requests through. */
    authenticate: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
  }
  interface FastifyRequest {
    /** What the verifier said of the request's token; `null` before `authenticate`, or without it. */
    identity: Readonly<AuthIdentity> | null
  }
  interface FastifyContextConfig {
    /** `true`: needs authentication; `'optional'`: a request without a token passes; `false`: none. */
    auth?: boolean | 'optional'
  }
}

const plugin: FastifyPluginCallback<AuthPluginOptions> = (app, options, done) => {
  const { auth, verify, token: tokenOf = bearerToken } = options
  const { global = false, hook = 'preHandler' } = options
  const wrong = wrongOption(auth, verify, tokenOf, hook)
  // What is thrown here would end the process.
  if (wrong !== undefined) return done(wrong)

  async function identify(request: FastifyRequest, reply: FastifyReply, optional: boolean) {
    const token = tokenOf(request)
    if (token === undefined || token === '') {
      if (optional) return undefined
      return refuse(reply, 401, 'Bearer', 'The request has no token.')
    }
    try {
      request.identity = await auth.authenticate<AuthIdentity>(token, verify)
      return undefined
    } catch (error) {
      if (isCorralError(error, 'TOKEN_INVALID') || isCorralError(error, 'TOKEN_REVOKED')) {
        return refuse(reply, 401, 'Bearer error="invalid_token"', 'The token is not valid.')
      }
      if (isCorralError(error, 'AUTH_UNAVAILABLE')) {
        return refuse(reply, 503, undefined, 'The token cannot be checked now.')
      }
      throw error
    }
  }

  app.decorateRequest('identity', null)
  app.decorate('authenticate', (request: FastifyRequest, reply: FastifyReply) =>
    identify(request, reply, false),
  )
  app.addHook(hook, async (request: FastifyRequest, reply: FastifyReply) => {
    // A path that no route has is not found, with a token or without.
    const wants = request.routeOptions.config?.auth ?? (global && !request.is404)
    return wants === false ? undefined : identify(request, reply, wants === 'optional')
  })
  done()
}

function wrongOption(
  auth: unknown,
  verify: unknown,
  token: unknown,
  hook: string,
): TypeError | undefined {
  if (typeof (auth as AuthCache | undefined)?.authenticate !== 'function') {
    return new TypeError(`auth: must be one of createAuthCache, received ${describeValue(auth)}`)
  }
  for (const [option, value] of Object.entries({ verify, token })) {
    if (typeof value === 'function') continue
    return new TypeError(`${option}: must be a function, received ${describeValue(value)}`)
  }
  if (!['onRequest', 'preHandler'].includes(hook)) {
    return new TypeError(
      `hook: must be 'onRequest' or 'preHandler', received ${describeValue(hook)}`,
    )
  }
  return undefined
}

async function refuse(
  reply: FastifyReply,
  status: 401 | 503,
  challenge: string | undefined,
  detail: string,
): Promise<FastifyReply> {
  if (challenge === undefined) reply.header('retry-after', '1')
  else reply.header('www-authenticate', challenge)
  const title = status === 401 ? 'Unauthorized' : 'Service Unavailable'
  await reply
    .code(status)
    .header('cache-control', 'no-store')
    .type('application/problem+json')
    .send(JSON.stringify({ type: 'about:blank', title, status, detail }))
  return reply
}

/**
 * Authenticates requests through an auth cache: `app.authenticate` as a `preHandler`, or
 * `config: { auth: true }`, and `request.identity` for the handler. 401 for a token that is
 * missing, invalid or revoked, 503 when nobody can say.
 *
 * @example
 * ```ts
 * import { createAuthCache } from '@corral/auth-cache'
 * import { authPlugin } from '@corral/auth-cache/fastify'
 * import { createCache } from '@corral/core'
 * import fastify from 'fastify'
 *
 * const auth = createAuthCache({ cache: createCache({ namespace: 'shop' }) })
 * const app = fastify()
 * const verify = async (token: string) => (token === 'ada-s-token' ? { userId: 'ada' } : undefined)
 * await app.register(authPlugin, { auth, verify })
 * app.get('/me', { preHandler: app.authenticate }, (request) => request.identity)
 * app.get('/', () => 'hello')
 * ```
 */
export const authPlugin: FastifyPluginCallback<AuthPluginOptions> = reachesParent(plugin)

/** What fastify-plugin does: hooks and decorators hold for the instance that registers it. */
function reachesParent(
  made: FastifyPluginCallback<AuthPluginOptions>,
): FastifyPluginCallback<AuthPluginOptions> {
  const name = '@corral/auth-cache'
  return Object.assign(
    (app: FastifyInstance, options: AuthPluginOptions, done: (error?: Error) => void) =>
      made(app, options, done),
    {
      [Symbol.for('skip-override')]: true,
      [Symbol.for('fastify.display-name')]: name,
      [Symbol.for('plugin-meta')]: { name, fastify: '5.x' },
    },
  )
}
