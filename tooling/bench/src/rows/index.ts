import type { Row } from '../harness/row.ts'
import { clusterRow } from './cluster.ts'
import { getManyRow } from './get-many.ts'
import { getRow } from './get.ts'
import { guardRow } from './guard.ts'
import { locksBurstRow } from './locks-burst.ts'
import { locksFreeRow } from './locks-free.ts'
import { metricsRow } from './metrics.ts'
import { rateLimitRow } from './rate-limit.ts'
import { setManyRow } from './set-many.ts'
import { setRow } from './set.ts'
import { invalidateRow } from './invalidate.ts'
import { nearRow } from './near.ts'
import { staleRow } from './stale.ts'
import { stampedeRow } from './stampede.ts'
import { zipfRow } from './zipf.ts'

/** In the order of the table. */
export const rows: readonly Row[] = [
  nearRow,
  getRow,
  setRow,
  getManyRow,
  setManyRow,
  zipfRow,
  stampedeRow,
  staleRow,
  invalidateRow,
  guardRow,
  metricsRow,
  clusterRow,
  locksFreeRow,
  locksBurstRow,
  rateLimitRow,
]
