import { createBed } from './harness/bed.ts'
import { callersOf } from './harness/callers.ts'
import { payloadOf, KEYS } from './harness/payload.ts'
import { mgetByHand } from './contenders/mget-by-hand.ts'
import { readFileSync } from 'node:fs'
import { setManyScript } from './contenders/set-many-script.ts'
const [what, n, ms] = [process.argv[2]!, Number(process.argv[3] ?? 512), Number(process.argv[4] ?? 3000)]
{
  await using bed = createBed(false)
  const { corral, raw } = await bed.standalone()
  const pid = Number(/process_id:(\d+)/.exec(await raw.info('server'))![1])
  const serverCpu = () => { const f = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' '); return (Number(f[11]) + Number(f[12])) * 10000 }
  const keys = Array.from({ length: KEYS }, (_, i) => `bench:p:${i}`)
  const vals = keys.map((_, i) => payloadOf(200, i))
  await raw.mset(keys.flatMap((k, i) => [k, vals[i]!]))
  const hand = mgetByHand(raw)
  const args = vals.flatMap((v) => [v, 3600000])
  const calls: Record<string, (t: number) => Promise<unknown>> = {
    get: (t) => corral.get(keys[t % KEYS]!),
    rawget: (t) => raw.get(keys[t % KEYS]!),
    hand: (t) => hand(keys[t % KEYS]!),
    set: (t) => corral.set(keys[t % KEYS]!, vals[t % KEYS]!, { ttlMs: 3600000 }),
    rawset: (t) => raw.set(keys[t % KEYS]!, vals[t % KEYS]!, 'PX', 3600000),
    getMany: () => corral.getMany(keys),
    rawmget: () => raw.mget(keys),
    setMany: () => corral.scriptMany(setManyScript, keys, args),
    rawsetMany: () => { const p = raw.pipeline(); for (let i = 0; i < KEYS; i++) p.set(keys[i]!, vals[i]!, 'PX', 3600000); return p.exec() },
  }
  for (const w of what.split(',')) {
  const c = callersOf(w, n, calls[w]!)
  await c.run(500)
  for (let i = 0; i < 3; i++) {
    const s0 = serverCpu()
    const r = await c.run(ms / 3)
    const s1 = serverCpu()
    console.log(w, n, Math.round(r.operations / r.elapsedMs) + 'k/s', 'client', (r.cpuMicros / r.operations).toFixed(3), 'us/op  server', ((s1 - s0) / r.operations).toFixed(3), 'us/op')
  }
  }
}
