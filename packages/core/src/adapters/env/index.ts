export { cacheOptionsFromEnv, type EnvOptions, type UseTtls } from './cache-options-from-env.ts'
export type { Env } from './env-reader.ts'
