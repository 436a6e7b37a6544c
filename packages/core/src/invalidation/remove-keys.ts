import {
  defineEachScript,
  type Argument,
  type Connection,
  type EachScript,
} from '@corral/connection'

/**
 * Removes keys, leases included; works when Redis is full.
 *
 * Returns per key 1 if an entry went, 0 if there was none or only a lease: a load under way is broken
 * by it, but nothing that anybody had stored is gone.
 */
const removeScript: EachScript = defineEachScript({
  name: 'remove',
  argsPerKey: 0,
  memory: 'shrink',
  lua: `
local opening = '{"lease":"'
local out = {}
for i = 1, #KEYS do
  local lease = redis.pcall('GETRANGE', KEYS[i], 0, #opening - 1) == opening
  local gone = redis.pcall('UNLINK', KEYS[i])
  if lease and gone == 1 then gone = 0 end
  out[i] = gone
end
return out`,
})

/** How many keys one SCAN looks at: some fifty microseconds of the server's time. */
export const SCAN_COUNT = 100
const noArguments: readonly Argument[] = []

/** Removes keys in scripts of at most 100; how many entries went. Rejects when one script fails. */
export async function removeKeys(
  connection: Connection,
  redisKeys: readonly string[],
): Promise<number> {
  if (redisKeys.length === 0) return 0
  return sum(await connection.scriptMany(removeScript, redisKeys, noArguments))
}

/** As {@link removeKeys}, but in part; tells which keys are known to be gone. */
export async function tryToRemoveKeys(
  connection: Connection,
  redisKeys: readonly string[],
): Promise<boolean[]> {
  const replies = await connection.scriptMany(removeScript, redisKeys, noArguments, {
    onPartialFailure: () => {},
  })
  return replies.map((reply) => typeof reply === 'number')
}

export function sum(replies: readonly unknown[]): number {
  let total = 0
  for (const reply of replies) total += Number(reply)
  return total
}
