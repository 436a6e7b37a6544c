export { authPlugin, type AuthPluginOptions } from './auth-plugin.ts'
export { bearerToken } from './bearer.ts'
