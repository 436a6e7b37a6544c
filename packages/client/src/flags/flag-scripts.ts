import { defineScript, type Script } from '@corral/connection'

/** Flags never expire: this is the one hash without an end. KEYS flags. ARGV channel, name, JSON. */
export const setFlag: Script = defineScript({
  name: 'flag:set',
  lua: `
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
redis.call('PERSIST', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
`,
})

/** KEYS flags. ARGV channel, name. Reply: 1 when there was one. */
export const deleteFlag: Script = defineScript({
  name: 'flag:delete',
  memory: 'shrink',
  lua: `
local gone = redis.call('HDEL', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return gone
`,
})
