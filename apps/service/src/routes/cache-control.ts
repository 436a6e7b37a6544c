import type { FastifyRequest } from 'fastify'
import type { ServiceConfig } from '../config.ts'

/**
 * Whether a request asks to go past the cache (`cache-control: no-store`) and may: a public service
 * that let everybody do so would hand its source to whoever wants to overload it.
 */
export function goesPastCache(request: FastifyRequest, config: ServiceConfig): boolean {
  return config.cacheBypass && /\bno-store\b/.test(request.headers['cache-control'] ?? '')
}
