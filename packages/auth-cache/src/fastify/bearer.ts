import type { FastifyRequest } from 'fastify'

const bearer = /^bearer +([^\s,]+) *$/i

/**
 * The token of `Authorization: Bearer <token>` (RFC 6750), or `undefined`. Also `undefined` for a request
 * with several such headers: Node hands out the first, and what stands before us may have looked at
 * another.
 */
export function bearerToken(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers
  if (authorization === undefined || hasSeveral(request)) return undefined
  return bearer.exec(authorization)?.[1]
}

/** Names and values take turns in `rawHeaders`. */
function hasSeveral({ raw: { rawHeaders } }: FastifyRequest): boolean {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'authorization') count++
  }
  return count > 1
}
