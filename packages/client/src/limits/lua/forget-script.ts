import { defineScript, type Script } from '@corral/connection'

/** Removes what was counted under the given keys. */
export const forgetScript: Script = defineScript({
  name: 'limit:forget',
  memory: 'shrink',
  lua: `return redis.call('DEL', unpack(KEYS))`,
})
