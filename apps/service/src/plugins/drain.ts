import type { FastifyInstance } from 'fastify'

/** How long a connection without a request is kept while the service stops. */
const GRACE_MS = 250

/**
 * Lets kept-alive connections end politely when the service stops. `server.close()` cuts connections
 * that look idle at once, and with them requests that are already on the wire. Here they get a
 * moment in which a request is still answered, with `connection: close`, which makes the client
 * open its next connection elsewhere.
 *
 * @returns whether the service is stopping
 */
export function registerDrain(app: FastifyInstance): () => boolean {
  let draining = false
  const { server } = app
  const closeIdle = server.closeIdleConnections.bind(server)
  app.addHook('preClose', (done) => {
    draining = true
    server.closeIdleConnections = () => {
      const timer = setTimeout(() => {
        // A connection that finishes its last request from here on closes by itself.
        closeIdle()
      }, GRACE_MS)
      server.once('close', () => clearTimeout(timer))
    }
    done()
  })
  app.addHook('onSend', async (_, reply) => {
    if (draining) reply.header('connection', 'close')
  })
  return () => draining
}
