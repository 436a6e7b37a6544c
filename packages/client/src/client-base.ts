import type { Connection } from '@corral/connection'

/** What a part of the client stands on; no connection: this process alone. */
export interface ClientBase {
  readonly connection: Connection | undefined
  readonly namespace: string
}

/** What a part stands on that makes no sense in one process alone. */
export interface ConnectedBase extends ClientBase {
  readonly connection: Connection
}
