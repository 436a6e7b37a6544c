import type { FastifyRequest } from 'fastify'

const bearer = /^bearer +([^\s,]+) *$/i

/** The token of `Authorization: Bearer <token>` (RFC 6750), or `undefined`. */
export function bearerToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  return authorization === undefined ? undefined : bearer.exec(authorization)?.[1]
}
