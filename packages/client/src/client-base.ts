import { type Connection, createKeyspace, describeValue } from '@corral/connection'

/** What a part of the client stands on; no connection: this process alone. */
export interface ClientBase {
  readonly connection: Connection | undefined
  readonly namespace: string
}

/** What a part stands on that makes no sense in one process alone. */
export interface ConnectedBase extends ClientBase {
  readonly connection: Connection
}

/** @throws TypeError naming option, rule and received value */
export function requireBase(base: ClientBase): void {
  if (typeof base !== 'object' || base === null) {
    throw new TypeError(`base: must be an object, received ${describeValue(base)}`)
  }
  createKeyspace({ namespace: base.namespace })
  if (base.connection !== undefined) requireConnection(base.connection)
}

/** @throws TypeError naming option, rule and received value */
export function requireConnectedBase(base: ConnectedBase): void {
  requireBase(base)
  requireConnection(base.connection)
}

function requireConnection(connection: Connection | null | undefined): void {
  if (typeof connection?.scriptEach === 'function') return
  throw new TypeError(
    `connection: must be a Connection, such as shareConnection makes of what you have, received ${describeValue(connection)}`,
  )
}
