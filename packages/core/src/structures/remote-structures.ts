import { CorralError, type Argument, type Connection } from '@corral/connection'
import { structureArgs, structureScript } from './structure-script.ts'
import type { StructureStore } from './structure-store.ts'

/** Structures in Redis. */
export function createRemoteStructures(connection: Connection): StructureStore {
  const { maxValueBytes } = connection

  /** One call is one stretch of the server's time, so it is bounded as one value is. */
  function fits(args: readonly Argument[]): boolean {
    let characters = 0
    for (const arg of args) characters += typeof arg === 'number' ? 8 : arg.length
    if (characters * 3 <= maxValueBytes) return true
    let bytes = 0
    for (const arg of args) bytes += typeof arg === 'string' ? Buffer.byteLength(arg) : 8
    return bytes <= maxValueBytes
  }

  return {
    read: (redisKey, command, args) => connection.read({ name: command, key: redisKey, args }),
    write(redisKey, command, args, ttlMs) {
      if (!fits(args)) {
        const message = `what one call stores may have ${maxValueBytes} bytes (maxValueBytes)`
        return Promise.reject(new CorralError('VALUE_TOO_LARGE', message))
      }
      return connection.scriptEach(
        structureScript(command),
        redisKey,
        structureArgs(command, ttlMs, args),
      )
    },
  }
}
