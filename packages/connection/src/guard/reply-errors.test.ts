import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { errorWord, judgeReply, scrub } from './reply-errors.ts'

function reply(message: string): Error {
  const error = Object.assign(new Error(message), {
    command: { name: 'set', args: ['canary-key', 'canary'] },
  })
  error.name = 'ReplyError'
  return error
}

it.each([
  ['OOM command not allowed when used memory > maxmemory', 'OOM', 'write', 'REDIS_FULL'],
  [
    'READONLY You can not write against a read only replica',
    'READONLY',
    'write',
    'REDIS_UNAVAILABLE',
  ],
  ['MISCONF Redis is configured to save RDB snapshots', 'MISCONF', 'write', 'REDIS_UNAVAILABLE'],
  ['NOREPLICAS Not enough good replicas to write', 'NOREPLICAS', 'write', 'REDIS_UNAVAILABLE'],
  ['LOADING Redis is loading the dataset in memory', 'LOADING', 'link', 'REDIS_UNAVAILABLE'],
  ['CLUSTERDOWN The cluster is down', 'CLUSTERDOWN', 'link', 'REDIS_UNAVAILABLE'],
  ['MASTERDOWN Link with MASTER is down', 'MASTERDOWN', 'link', 'REDIS_UNAVAILABLE'],
  ['BUSY Redis is busy running a script', 'BUSY', 'link', 'REDIS_UNAVAILABLE'],
  ['NOAUTH Authentication required.', 'NOAUTH', 'link', 'REDIS_UNAVAILABLE'],
  ['WRONGTYPE Operation against a key holding canary', 'WRONGTYPE', 'none', 'WRONG_TYPE'],
  ['CORRALLATE the deadline of this write has passed', 'CORRALLATE', 'late', 'REDIS_UNAVAILABLE'],
  ["ERR unknown command 'x', with args beginning with: 'canary'", 'ERR', 'none', 'REDIS_REPLY'],
  ['NOPERM canary', 'NOPERM', 'none', 'REDIS_REPLY'],
  // As 6.2 and older tell an error inside a script.
  [
    'ERR Error running script (call to f_1): @user_script:3: -OOM command not allowed when used memory > maxmemory.',
    'OOM',
    'write',
    'REDIS_FULL',
  ],
  [
    'ERR Error running script (call to f_1): @user_script: 3: -READONLY You can not write',
    'READONLY',
    'write',
    'REDIS_UNAVAILABLE',
  ],
])('%s', (message, word, blame, code) => {
  const error = reply(message)
  expect(errorWord(error)).toBe(word)
  const verdict = judgeReply(error, 'set')
  expect(verdict).toMatchObject({ blame, error: { code } })
  expect(inspect(verdict.error, { depth: 10 })).not.toContain('canary')
})

it.each([
  ['Connection is closed.', 'connection-lost'],
  ['Command timed out', 'connection-lost'],
  ['Protocol error, got "x" as reply type byte', 'connection-lost'],
  ["Stream isn't writeable and enableOfflineQueue options is false", 'connection-lost'],
  ['Too many Cluster redirections. Last error: Error: canary', 'refused'],
  ['Failed to refresh slots cache. canary', 'refused'],
  ['Cluster is ended.', 'refused'],
])('ioredis gave up: %s', (message, reason) => {
  const verdict = judgeReply(
    Object.assign(new Error(message), { command: { args: ['canary'] } }),
    'get',
  )
  expect(verdict).toMatchObject({ blame: 'link', error: { code: 'REDIS_UNAVAILABLE', reason } })
  expect(inspect(verdict.error, { depth: 10 })).not.toContain('canary')
})

it('keeps of a connection error no more than its code', () => {
  const refused = Object.assign(new Error('connect ECONNREFUSED redis://:canary@h'), {
    code: 'ECONNREFUSED',
  })
  expect(scrub(refused).message).toBe('ECONNREFUSED')
  expect(scrub(reply('WRONGPASS invalid username-password pair canary')).message).toBe('WRONGPASS')
  expect(inspect(scrub(refused), { depth: 10, showHidden: true })).not.toContain('canary')
})
