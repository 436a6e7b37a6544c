/** What signals ask of the client that they duplicate; an ioredis `Redis`, told by shape. */
export interface SignalSource {
  readonly status: string
  duplicate(override?: object): unknown
}

/** The few public methods of ioredis that a signal connection uses. */
export interface SignalClient {
  readonly stream?: { unref?(): unknown }
  connect(): Promise<unknown>
  disconnect(): void
  on(event: string, listener: (...args: never[]) => void): unknown
  removeListener(event: string, listener: (...args: never[]) => void): unknown
  call(command: string, ...args: string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  ping(): Promise<unknown>
}

const CONNECTION_NAME = 'corral:signals'

/**
 * A second connection to where `source` is connected: address, TLS, credentials and Sentinels are
 * inherited, every habit that could resend, queue or reconnect behind our back is not.
 *
 * @param connectTimeoutMs how long TCP, TLS and a Sentinel's answer may take each
 */
export function duplicateForSignals(source: SignalSource, connectTimeoutMs: number): SignalClient {
  return source.duplicate({
    lazyConnect: true,
    connectionName: CONNECTION_NAME,
    disableClientInfo: true,
    // RESP3 pushes of invalidations are dropped by ioredis 6; RESP2 delivers them as messages.
    protocol: 2,
    replyMapping: 'legacy',
    // Names of channels would be prefixed too.
    keyPrefix: '',
    readOnly: false,
    monitor: false,
    enableAutoPipelining: false,
    enableOfflineQueue: false,
    // Arming reads INFO itself, and may run while the server still loads its data.
    enableReadyCheck: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: null,
    // A connection is used once; the next attempt is a new duplicate.
    retryStrategy: null,
    reconnectOnError: null,
    sentinelRetryStrategy: null,
    failoverDetector: false,
    connectTimeout: connectTimeoutMs,
    sentinelCommandTimeout: connectTimeoutMs,
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    // Behind a black hole a graceful end is never answered: the socket is destroyed after this.
    disconnectTimeout: 100,
    himportFieldsets: undefined,
    scripts: undefined,
  }) as SignalClient
}
