import type { RateLimiter } from '@corral/client'
import type { FastifyRequest } from 'fastify'
import type { ServiceContext } from './context.ts'

/** How the logins of one user are limited, whether for a session or for a token. */
export function loginLimit({ client, config }: Pick<ServiceContext, 'client' | 'config'>): {
  readonly limiter: RateLimiter
  readonly subject: (request: FastifyRequest) => string
} {
  return {
    // The same limiter for the same options.
    limiter: client.rateLimiter({
      algorithm: 'sliding-window',
      window: '1m',
      name: 'login',
      limit: config.loginLimit,
    }),
    subject: (request) => String((request.body as { readonly userId: number }).userId),
  }
}
