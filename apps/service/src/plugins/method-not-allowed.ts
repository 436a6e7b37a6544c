import type { FastifyInstance, HTTPMethods } from 'fastify'
import { Problem } from './problem.ts'

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Answers 405 with `Allow` where an address exists but not for the method asked; Fastify alone says
 * 404. Call it first, and what it returns after all routes are registered.
 */
export function registerMethodNotAllowed(app: FastifyInstance): () => void {
  const known = new Map<string, Set<string>>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = known.get(url) ?? new Set()
    for (const one of [method].flat()) methods.add(one)
    known.set(url, methods)
  })
  return () => {
    for (const [url, methods] of known) {
      const allow = [...methods].toSorted().join(', ')
      app.route({
        url,
        method: METHODS.filter((method) => !methods.has(method)),
        config: { public: true },
        exposeHeadRoute: false,
        // Before the body is read: whatever it is, the method is wrong.
        onRequest: () => {
          throw new Problem(405, `This address answers to ${allow}.`, { headers: { allow } })
        },
        handler: (_, reply) => reply,
      })
    }
  }
}
