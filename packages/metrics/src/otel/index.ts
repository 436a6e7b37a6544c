export { type ObserveOptions, observeMetrics } from './observe-metrics.ts'
export { type TraceOptions, traceOperations } from './trace-operations.ts'
