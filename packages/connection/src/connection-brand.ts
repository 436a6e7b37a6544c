import type { IoredisClient, IoredisCluster } from './client/ioredis-like.ts'
import type { Connection, ConnectionOptions } from './connection.ts'

/** Marks a {@link Connection}, also one of another installed copy; holds how to make one more handle. */
export const connectionBrand: unique symbol = Symbol.for('corral.connection') as never

/** The same; holds how to find the client that it rides on. */
export const connectionClient: unique symbol = Symbol.for('corral.connection.client') as never

export interface BrandedConnection extends Connection {
  [connectionBrand](options: ConnectionOptions): Connection
  [connectionClient](): Promise<IoredisClient | IoredisCluster>
}
