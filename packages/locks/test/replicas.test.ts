import { startProxy, startRedis, type TestRedis, waitFor } from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createLocks } from '../src/index.ts'

let pair: TestRedis

beforeAll(async () => {
  pair = await startRedis({ mode: 'replica', prefer: 'binary' })
})
afterAll(() => pair.stop())

function clientOf(port: number): Redis {
  const client = new Redis(port, '127.0.0.1', { socketTimeout: 15_000, retryStrategy: () => 50 })
  client.on('error', () => {})
  return client
}

/** Lets the replica follow through a proxy, so that what it is told can be held back. */
async function inSync(master: number, replica: number): Promise<void> {
  await waitFor(async () => {
    const info = String(await pair.commandOn(replica, 'INFO', 'replication'))
    return info.includes('master_link_status:up')
  })
  await waitFor(async () => {
    const info = String(await pair.commandOn(master, 'INFO', 'replication'))
    return info.includes('state=online')
  })
}

describe('replicas: 1', () => {
  it('hands out nothing that the replica lacks, and says so', async () => {
    const [master, replica] = pair.nodes
    await using proxy = await startProxy({ target: master! })
    await pair.commandOn(1, 'REPLICAOF', proxy.host, proxy.port)
    await inSync(0, 1)
    const client = clientOf(master!.port)
    const locks = createLocks({ connection: client, namespace: 'shop', replicas: 1 })
    const lock = await waitFor(() => locks.tryAcquire('synced'))
    expect(String(await pair.commandOn(1, 'GET', 'corral:lock:{shop::synced}'))).toContain(
      lock.token,
    )
    await lock.extend()
    await lock.release()
    // Waiters are woken as ever.
    const held = await locks.acquire('synced')
    const waits = locks.acquire('synced')
    await waitFor(async () => (await locks.inspect('synced')).waiting === 1)
    await held.release()
    await (await waits).release()

    proxy.blackHole('down')
    await expect(locks.acquire('alone', { wait: 0 })).rejects.toMatchObject({
      code: 'LOCK_NOT_REPLICATED',
    })
    await waitFor(async () => !(await locks.inspect('alone')).held)
    await proxy.heal()
    await locks.close()
    expect(client.status).toBe('ready')
    expect(await client.ping()).toBe('PONG')
    client.disconnect()
    expect(replica).toBeDefined()
  })

  it('gives no two holders in 50 failovers to a replica that was cut off; without it there are', async () => {
    const [first, second] = pair.nodes
    let double = { plain: 0, checked: 0 }
    let refused = 0
    await using proxy = await startProxy({ target: first! })
    const toMaster = clientOf(first!.port)
    const toReplica = clientOf(second!.port)
    const plain = createLocks({ connection: toMaster, namespace: 'plain' })
    const checked = createLocks({
      connection: toMaster,
      namespace: 'checked',
      replicas: { count: 1, timeout: '20ms' },
    })
    const after = createLocks({ connection: toReplica, namespace: 'plain' })
    const afterChecked = createLocks({ connection: toReplica, namespace: 'checked' })
    for (let round = 0; round < 50; round++) {
      await pair.commandOn(1, 'REPLICAOF', proxy.host, proxy.port)
      await inSync(0, 1)
      const name = `failover:${round}`
      proxy.blackHole()
      const mine = await waitFor(() => plain.tryAcquire(name))
      const mineChecked = await checked.tryAcquire(name).catch(() => {
        refused++
        return undefined
      })
      // The replica becomes the master while the old one's word is still on its way.
      await pair.commandOn(1, 'REPLICAOF', 'NO', 'ONE')
      const theirs = await waitFor(() => after.tryAcquire(name))
      const theirsChecked = await waitFor(() => afterChecked.tryAcquire(name))
      if (mine.held && theirs.held) double = { ...double, plain: double.plain + 1 }
      if (mineChecked?.held === true && theirsChecked.held) {
        double = { ...double, checked: double.checked + 1 }
      }
      await proxy.heal()
    }
    expect(double).toEqual({ plain: 50, checked: 0 })
    expect(refused).toBe(50)
    for (const locks of [plain, checked, after, afterChecked]) await locks.close()
    for (const client of [toMaster, toReplica]) client.disconnect()
  })

  it('refuses a count that cannot be meant', () => {
    const client = clientOf(pair.nodes[0]!.port)
    expect(() => createLocks({ connection: client, namespace: 'shop', replicas: 17 })).toThrow(
      RangeError,
    )
    expect(() => createLocks({ connection: client, namespace: 'shop', replicas: -1 })).toThrow(
      RangeError,
    )
    client.disconnect()
  })
})
