import type { Reply } from '../resp/reply.ts'

export type RedisMode = 'standalone' | 'replica' | 'sentinel' | 'cluster'
export type RedisRole = 'master' | 'replica' | 'sentinel'

export interface StartRedisOptions {
  /**
   * `standalone` (default): one server. `replica`: a master and one replica. `sentinel`: these two
   * and three sentinels (down after 1 s). `cluster`: three masters with a replica each (node
   * time-out 2 s).
   */
  mode?: RedisMode
  /**
   * Version wanted, by prefix: '7', '7.2', '6.2', or 'valkey-8'. Default: any. When the local
   * executable is another one, Docker is needed.
   */
  version?: string
  /** Arguments for each data server: `['--appendonly', 'yes']`. Default none. */
  args?: readonly string[]
  /**
   * Where servers come from. Default: `TEST_REDIS_URL` (standalone without `args` only), then
   * Docker when a daemon answers within a second, then an executable on PATH, then apt-get. The
   * environment variable `CORRAL_TEST_REDIS` sets the same.
   */
  prefer?: 'docker' | 'binary'
}

export interface RedisNode {
  /** 'redis', or 'master', 'replica', 'sentinel-1' …, or 'node-1' … 'node-6' of a cluster. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Process id, when it is a running process of this machine. */
  readonly pid: number | undefined
  /** What it was when last looked: at the start and after each `failover()`. */
  readonly role: RedisRole
}

/** A node itself, its name, or its index in `nodes`. */
export type NodeRef = RedisNode | string | number

export interface RestartOptions {
  /** Replaces the arguments given before. */
  args?: readonly string[]
  /**
   * `ready` (default): answers PING with PONG. `listening`: answers anything, `-LOADING` included.
   */
  until?: 'ready' | 'listening'
}

/** A running Redis deployment that belongs to the test. */
export interface TestRedis extends AsyncDisposable {
  readonly mode: RedisMode
  /** Where it came from; an `external` one (TEST_REDIS_URL) is somebody else's. */
  readonly source: 'external' | 'docker' | 'binary'
  /** Version as the server tells it. */
  readonly version: string
  /** Address of the first node (the first master at the start). */
  readonly host: string
  readonly port: number
  readonly url: string
  /** The data servers. */
  readonly nodes: readonly RedisNode[]
  /** The sentinels, in sentinel mode. */
  readonly sentinels?: readonly RedisNode[]
  /** Name under which the sentinels know the master. */
  readonly masterName?: string
  /** Path of redis-cli, when there is one on this machine. */
  readonly cli?: string
  /**
   * Freezes a node (SIGSTOP, docker pause): it stays connected and answers nothing. Default here
   * and below: the first node whose role is master.
   */
  pause(node?: NodeRef): Promise<void>
  resume(node?: NodeRef): Promise<void>
  /** SIGKILL, also of a frozen node. */
  kill(node?: NodeRef): Promise<void>
  /** Starts a node again on its port with its data directory; a running one is killed first. */
  restart(node?: NodeRef, options?: RestartOptions): Promise<void>
  /**
   * Makes the replica of `master` the new master and returns it once it is one. Works when the old
   * master is frozen or dead. Afterwards `role` of all nodes is right again.
   */
  failover(master?: NodeRef): Promise<RedisNode>
  /** One command to the first master, over a connection of its own. */
  command(...args: (string | number | Buffer)[]): Promise<Reply>
  commandOn(node: NodeRef, ...args: (string | number | Buffer)[]): Promise<Reply>
  /** Ends everything and removes its files; may be called twice, and on frozen servers. */
  stop(): Promise<void>
}
