export { exposeMetrics } from './expose-metrics.ts'
