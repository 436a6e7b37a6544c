/** What a server should be, independent of how it is run. */
export interface ServerSpec {
  /** Unique in its deployment: 'master', 'replica', 'sentinel-1', 'node-3'. */
  name: string
  port: number
  kind: 'redis' | 'sentinel'
  /** Lines of its configuration file, one array of words each. */
  directives: readonly (readonly string[])[]
  /** Command-line arguments of the user, which win over the directives. */
  args: readonly string[]
}

export interface StartServerOptions {
  /** Replaces the arguments that the user gave before. */
  args?: readonly string[]
}

/** One server process or container. It is not running before the first `start`. */
export interface Server {
  readonly spec: ServerSpec
  readonly host: string
  /** Process id on this machine; `undefined` when it is not running or runs elsewhere. */
  pid(): number | undefined
  /** Starts it, on the same port and with the same data directory each time. */
  start(options?: StartServerOptions): Promise<void>
  /** Says why it ended by itself (with the tail of its log), `undefined` while it runs. */
  failure(): string | undefined | Promise<string | undefined>
  /** Freezes it: connections stay open, nothing is answered. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Ends it without letting it finish anything; works on a frozen one too. */
  kill(): Promise<void>
  /** Ends it and removes what it left behind. */
  remove(): Promise<void>
}

/** A way to run servers. */
export interface ServerBackend {
  readonly kind: 'binary' | 'docker'
  /** Version of the servers that it runs, as far as known. */
  readonly version: string | undefined
  /** Names what is run, for messages: a path or an image. */
  readonly program: string
  /** Address that its servers bind. */
  readonly bind: string
  create(spec: ServerSpec): Server
}

/** A server could not take its port because somebody else was faster. */
export class PortTakenError extends Error {
  override readonly name: string = 'PortTakenError'
}
