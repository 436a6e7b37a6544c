import type { FastifyReply, FastifyRequest } from 'fastify'

const NAME = 'sid'

/** The cookie that holds a session's id, out of reach of scripts and of other sites' requests. */
export interface SessionCookie {
  /** The id that a request carries, whatever it is worth. */
  read(request: FastifyRequest): string | undefined
  write(reply: FastifyReply, id: string, lifeMs: number): void
  clear(reply: FastifyReply): void
}

/** @param secure whether browsers may send it over TLS alone */
export function createSessionCookie(secure: boolean): SessionCookie {
  function set(reply: FastifyReply, value: string, seconds: number): void {
    const parts = [
      `${NAME}=${value}`,
      'Path=/',
      `Max-Age=${seconds}`,
      'HttpOnly',
      'SameSite=Strict',
    ]
    if (secure) parts.push('Secure')
    // Neither a proxy nor a browser may keep an answer that belongs to one person.
    reply.header('set-cookie', parts.join('; ')).header('cache-control', 'no-store')
  }

  return {
    read(request) {
      const pairs = (request.headers.cookie ?? '').split(';')
      const found = pairs.map((pair) => pair.trim()).find((pair) => pair.startsWith(`${NAME}=`))
      const id = found?.slice(NAME.length + 1)
      return id !== undefined && /^[\w.-]{1,200}$/.test(id) ? id : undefined
    },
    write: (reply, id, lifeMs) => set(reply, id, Math.floor(lifeMs / 1000)),
    clear: (reply) => set(reply, '', 0),
  }
}
