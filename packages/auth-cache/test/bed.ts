import { createHmac } from 'node:crypto'
import { shareConnection, type Connection } from '@corral/connection'
import { createCache, type Cache } from '@corral/core'
import { Cluster, Redis } from 'ioredis'
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis5'
import { createAuthCache, type AuthCache, type AuthCacheOptions } from '../src/index.ts'

/** The majors of ioredis that we are used with. */
export const majors = [6, 5] as const
export type Major = (typeof majors)[number]

interface Clients {
  readonly Redis: typeof Redis
  readonly Cluster: typeof Cluster
}

/** What is used here they have in common; their types differ elsewhere. */
export const clients: Readonly<Record<Major, Clients>> = {
  6: { Redis, Cluster },
  5: { Redis: Redis5, Cluster: Cluster5 } as unknown as Clients,
}

/** A service process, as far as Redis can tell. */
export interface Side {
  readonly client: Redis | Cluster
  readonly connection: Connection
  readonly cache: Cache
  readonly auth: AuthCache
  end(): Promise<void>
}

/** @param deadline long unless time is what is tested: these shall pass on a busy machine */
export function openSide(
  target: { readonly host: string; readonly port: number },
  options: Omit<AuthCacheOptions, 'cache'> = {},
  deadline: '5s' | '200ms' = '5s',
  major: Major = 6,
): Side {
  const client = new clients[major].Redis(target.port, target.host, {
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    socketTimeout: 15_000,
  })
  return sideOn(client, options, deadline)
}

/** @param client ends with the side */
export function sideOn(
  client: Redis | Cluster,
  options: Omit<AuthCacheOptions, 'cache'> = {},
  deadline: '5s' | '200ms' = '5s',
): Side {
  client.on('error', () => {})
  const connection = shareConnection(client, { deadline, onWarning: () => {} })
  const cache = createCache({ connection, namespace: 'app' })
  const auth = createAuthCache({ cache, ...options })
  return {
    client,
    connection,
    cache,
    auth,
    async end() {
      await auth.close()
      await cache.close()
      await connection.close()
      client.disconnect()
    },
  }
}

/** A verifier that can be held, and counts. */
export interface Source {
  readonly verify: (token: string) => Promise<{ userId: string; role: string } | undefined>
  calls: number
  /** The next call waits; resolves when it has come, with what lets it go on. */
  hold(): Promise<() => void>
}

/** @param owner the user of a token; `undefined`: a bad one */
export function source(owner: (token: string) => string | undefined = () => 'ada'): Source {
  let held: ((release: () => void) => void) | undefined
  const it: Source = {
    calls: 0,
    async verify(token) {
      it.calls++
      const found = owner(token)
      const tell = held
      held = undefined
      if (tell !== undefined) await new Promise<void>((resolve) => tell(resolve))
      return found === undefined ? undefined : { userId: found, role: 'member' }
    },
    hold: () => new Promise((resolve) => (held = resolve)),
  }
  return it
}

/** A signed token; nobody here checks the signature but in form. */
export function jwt(claims: Record<string, unknown>, key = 'key'): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const input = `${part({ alg: 'HS256' })}.${part(claims)}`
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`
}

/** The code of what a promise rejects with; `'resolved'` if it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return String((error as { code?: unknown }).code ?? error)
  }
}
