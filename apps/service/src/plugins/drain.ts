import { setImmediate as turn } from 'node:timers/promises'
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
  app.addHook('preClose', async () => {
    draining = true
    server.closeIdleConnections = () => {
      // First what has arrived is read, which after a pause of this process may be more than is known:
      // a connection whose request came in time is not idle.
      const timer = setTimeout(() => setImmediate(closeIdle), GRACE_MS)
      server.once('close', () => clearTimeout(timer))
    }
    // Connections that wait to be accepted are; those that come afterwards find nobody.
    for (let time = 0; time < 2; time++) await turn()
  })
  app.addHook('onSend', async (_, reply) => {
    if (draining) reply.header('connection', 'close')
  })
  return () => draining
}
