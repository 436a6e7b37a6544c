import type { Connection } from '@corral/connection'

/** What a part of the client stands on; no connection: this process alone. */
export interface ClientBase {
  readonly connection: Connection | undefined
  readonly namespace: string
}
