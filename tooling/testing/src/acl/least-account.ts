/** Rules of one ACL account that belong together, and what they are for. */
export interface AccountRules {
  readonly rules: string
  readonly why: string
}

export interface LeastAccount {
  readonly user: string
  readonly rules: readonly AccountRules[]
}

/**
 * What one connection has to be allowed that BullMQ and all of Corral share, on one server. The one
 * place for it: docs/sharing-bullmq.md is held against this, and `CORRAL_TEST_ACL=1` runs tests
 * under it. `HELLO` and `AUTH` need no rule.
 */
export const sharedAccount: LeastAccount = {
  user: 'shop',
  rules: [
    { rules: '~bull:*', why: "BullMQ's prefix" },
    { rules: '~shop:v1:*', why: 'the namespace (`shop:v1::…`) and its children' },
    { rules: '~corral:*', why: 'locks, limits, sessions, flags, stamps, fences, totals' },
    { rules: '&corral:*', why: 'channels of locks, limits and flags' },
    { rules: '&__redis__:invalidate', why: 'where `CLIENT TRACKING` tells what changed' },
    { rules: '-@all +@read +@write', why: 'data, and what the scripts of both call on it' },
    { rules: '+@scripting', why: 'every write of both' },
    { rules: '+@transaction', why: 'flows and `addBulk` of BullMQ' },
    { rules: '+@connection', why: '`PING`, `CLIENT SETNAME`, `CLIENT ID`, `CLIENT TRACKING` …' },
    { rules: '+@pubsub', why: 'signals: `SUBSCRIBE`, and `PUBLISH` to wake a waiter' },
    { rules: '-@dangerous', why: 'no `FLUSHALL`, `KEYS`, `CONFIG`, `CLIENT KILL` …, but:' },
    { rules: '+info', why: 'the ready check of ioredis; version, memory, policy' },
    { rules: '+time', why: 'the deadline of every write' },
    { rules: '+client|list', why: '`getWorkers` of BullMQ' },
  ],
}

/** What the client of a cluster needs besides. */
export const clusterRules: readonly AccountRules[] = [
  {
    rules: '+cluster|slots +cluster|info',
    why: 'in a cluster: ioredis finds nodes and sees them ready',
  },
]

/** What a cache without structures needs on a connection that BullMQ does not use. */
export const cacheAccount: LeastAccount = {
  user: 'cache',
  rules: [
    { rules: '~shop:v1:* ~corral:* &__redis__:invalidate', why: 'its keys, and news of them' },
    { rules: '-@all +ping +info +time', why: 'health, memory, deadlines' },
    { rules: '+client|setname +client|id +client|tracking +subscribe', why: 'signals' },
    { rules: '+get +mget +getrange +set +setrange +incrby', why: 'entries and counters' },
    { rules: '+del +unlink +pttl +pexpire +persist', why: 'their ends' },
    { rules: '+eval +evalsha +scan', why: 'scripts, and walks over many keys' },
  ],
}

/** The words of `ACL SETUSER` after the name of the user. */
export function accountWords({ rules }: LeastAccount): readonly string[] {
  return rules.flatMap((group) => group.rules.split(' '))
}
