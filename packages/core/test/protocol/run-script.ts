import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { Script, Timed } from './protocol.ts'

const digests = new WeakMap<object, string>()

/** EVALSHA with EVAL where the server does not know the script yet. */
export async function runScript<Q extends Timed, R>(
  redis: Redis | Cluster,
  script: Script<Q, R>,
  request: Q,
): Promise<R> {
  const call = script.encode(request)
  let sha = digests.get(script)
  if (!sha) digests.set(script, (sha = createHash('sha1').update(script.lua).digest('hex')))
  const rest = [...call.keys, request.deadline * 1000, ...call.args]
  let raw: unknown
  try {
    raw = await redis.evalsha(sha, call.keys.length, ...rest)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    raw = error.message.startsWith('NOSCRIPT')
      ? await redis.eval(script.lua, call.keys.length, ...rest).catch((reply: unknown) => reply)
      : error
  }
  return script.decode(raw, call)
}

/** Server time in milliseconds. */
export async function serverNow(redis: Redis): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}
