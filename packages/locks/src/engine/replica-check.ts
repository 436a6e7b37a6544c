import type { Connection } from '@corral/connection'
import { notReplicated } from '../errors.ts'

/** Asks whether what was just written has reached enough replicas. */
export interface ReplicaCheck {
  /** @throws CorralError LOCK_NOT_REPLICATED */
  confirm(what: string): Promise<void>
}

/**
 * WAIT speaks of the writes of its own connection, so the locks' scripts must run on the same one;
 * and it holds up all that follows on it, so nobody else may use it.
 */
export function createReplicaCheck(
  connection: Connection,
  count: number,
  timeoutMs: number,
): ReplicaCheck {
  return {
    async confirm(what) {
      const reply = await connection.read(
        { name: 'wait', key: String(count), args: [timeoutMs] },
        { deadlineMs: timeoutMs + connection.deadlineMs },
      )
      const got = Number(reply)
      if (got < count) throw notReplicated(what, count, got)
    },
  }
}
