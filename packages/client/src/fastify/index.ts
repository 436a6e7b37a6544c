export { clientAddress } from './client-address.ts'
export {
  rateLimitPlugin,
  type RateLimitPluginOptions,
  type RouteRateLimit,
} from './rate-limit-plugin.ts'
export { sessionPlugin, type SessionPluginOptions } from './session-plugin.ts'
