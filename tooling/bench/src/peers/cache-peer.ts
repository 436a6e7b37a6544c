import type { Redis } from 'ioredis'

/** Another cache library, set up as its documentation says, on Redis alone (no near cache). */
export interface CachePeer {
  readonly name: string
  /** Stores what `get` will be asked for. */
  seed(keys: readonly string[], values: readonly unknown[]): Promise<void>
  get(key: string): Promise<unknown>
  /** Left out by those whose only way in is a loader, as are the bulk calls by those without. */
  readonly set?: (key: string, value: unknown) => Promise<unknown>
  readonly getMany?: (keys: readonly string[]) => Promise<unknown>
  readonly setMany?: (keys: readonly string[], values: readonly unknown[]) => Promise<unknown>
  close(): Promise<void>
}

/** @param client makes an ioredis client of the peer's own, for those that run on one */
export type OpenCachePeer = (url: string, client: () => Redis) => Promise<CachePeer>

/** One time to live for all, long enough to outlive any row. */
export const PEER_TTL_MS = 3_600_000

/** `seed` for those that have nothing better than one call for each key. */
export async function seedOneByOne(
  keys: readonly string[],
  values: readonly unknown[],
  set: (key: string, value: unknown) => Promise<unknown>,
): Promise<void> {
  await Promise.all(keys.map((key, index) => set(key, values[index])))
}
