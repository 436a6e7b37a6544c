import type { RouteGroup } from '../context.ts'
import { cacheRoutes } from './cache.ts'
import { flagRoutes } from './flags.ts'
import { healthRoutes } from './health.ts'
import { jobRoutes } from './jobs.ts'
import { lockRoutes } from './locks.ts'
import { meRoutes } from './me.ts'
import { metricsRoutes } from './metrics.ts'
import { resultRoutes } from './results.ts'
import { sessionRoutes } from './sessions.ts'
import { tokenRoutes } from './tokens.ts'
import { userRoutes } from './users.ts'

/** Every group of routes that the service has. */
export const routeGroups: readonly RouteGroup[] = [
  cacheRoutes,
  flagRoutes,
  healthRoutes,
  jobRoutes,
  lockRoutes,
  meRoutes,
  metricsRoutes,
  resultRoutes,
  sessionRoutes,
  tokenRoutes,
  userRoutes,
]
