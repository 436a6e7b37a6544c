import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  accountWords,
  cacheAccount,
  clusterRules,
  replaceSection,
  sharedAccount,
  startRedis,
  type TestRedis,
} from '@corral/testing'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { tourBullMq } from '../src/account/bull-tour.ts'
import { tourCache, tourTheRest } from '../src/account/corral-tour.ts'
import { accountCommand, reasonsTable } from '../src/account/document.ts'
import { root } from '../src/repository.ts'

let redis: TestRedis
beforeAll(async () => {
  redis = await startRedis({ prefer: 'binary' })
})
beforeEach(async () => {
  await redis.command('FLUSHALL')
  await redis.command('ACL', 'LOG', 'RESET')
})
afterAll(() => redis.stop())

/** A client of an account that may do what the words say and no more. */
async function clientOf(username: string, words: readonly string[]): Promise<Redis> {
  await redis.command('ACL', 'SETUSER', username, 'reset', 'on', '>password', ...words)
  const client = new Redis(redis.port, redis.host, {
    username,
    password: 'password',
    maxRetriesPerRequest: null,
    socketTimeout: 15_000,
    // Redis 7.2 has CLIENT SETINFO, and an account that lacks it an entry in its log.
    disableClientInfo: true,
  })
  client.on('error', () => {})
  return client
}

describe('the least account', () => {
  it('of a shared connection lets BullMQ and all of Corral do what they do', async () => {
    const client = await clientOf(sharedAccount.user, accountWords(sharedAccount))
    await tourBullMq(client)
    await tourCache(client)
    await tourTheRest(client)
    client.disconnect()
    expect(await redis.command('ACL', 'LOG')).toEqual([])
  })

  it('of a cache lets it do all but structures', async () => {
    const client = await clientOf(cacheAccount.user, accountWords(cacheAccount))
    await tourCache(client)
    client.disconnect()
    expect(await redis.command('ACL', 'LOG')).toEqual([])
  })

  it.each(accountWords(cacheAccount).filter((word) => !word.startsWith('-')))(
    'of a cache is no longer enough without %s',
    async (word) => {
      const words = accountWords(cacheAccount).filter((each) => each !== word)
      const client = await clientOf('less', words)
      // Without signals or memory a cache goes on, with less; what was refused stands in the log.
      await tourCache(client).catch(() => undefined)
      client.disconnect()
      expect(await redis.command('ACL', 'LOG')).not.toEqual([])
    },
  )

  // After a change of an account: npx vitest run --project checks least-account -u
  it('stands in docs/sharing-bullmq.md as it is tried here', async () => {
    const page = join(root, 'docs/sharing-bullmq.md')
    const parts = {
      'the shared account': accountCommand(sharedAccount),
      'the reasons': reasonsTable([...sharedAccount.rules, ...clusterRules]),
      'the account of a cache': accountCommand(cacheAccount),
    }
    let text = readFileSync(page, 'utf8')
    for (const [name, body] of Object.entries(parts))
      text = replaceSection(text, `the check of ${name}`, body)
    await expect(text).toMatchFileSnapshot(page)
  })
})
