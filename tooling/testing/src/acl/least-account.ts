/** Rules of one ACL account that belong together, and what they are for. */
export interface AccountRules {
  readonly rules: string
  readonly why: string
}

export interface LeastAccount {
  readonly user: string
  readonly rules: readonly AccountRules[]
}

const signals: readonly AccountRules[] = [
  { rules: '&corral:*', why: 'channels of locks, limits, flags, revocations' },
  { rules: '&__redis__:invalidate', why: 'the channel of `CLIENT TRACKING`' },
]

/**
 * What one connection has to be allowed that BullMQ and all of Corral share, on one server. The one
 * place for it: docs/sharing-bullmq.md is held against this, and `CORRAL_TEST_ACL=1` runs tests under it.
 */
export const sharedAccount: LeastAccount = {
  user: 'shop',
  rules: [
    { rules: '~bull:*', why: "BullMQ's prefix" },
    { rules: '~shop:v1:*', why: 'the namespace (`shop:v1::…`) and its children' },
    { rules: '~corral:*', why: 'locks, limits, sessions, flags, stamps, fences' },
    ...signals,
    { rules: '-@all +@read +@write', why: 'data, and what the scripts of both call on it' },
    { rules: '+@blocking', why: 'the Worker and `QueueEvents` wait for jobs and events' },
    { rules: '+@scripting', why: 'every write of both' },
    { rules: '+@transaction', why: 'flows and `addBulk` of BullMQ' },
    { rules: '+@connection', why: '`HELLO`, `AUTH`, `PING`, `CLIENT ID`, `CLIENT TRACKING` …' },
    { rules: '+@pubsub', why: 'signals' },
    { rules: '-@dangerous', why: 'no `FLUSHALL`, `KEYS`, `CONFIG`, `CLIENT KILL` …' },
    { rules: '+info', why: 'version, memory, policy; and the ready check of ioredis' },
    { rules: '+time', why: 'deadlines of writes' },
    { rules: '+client|list', why: '`getWorkers` of BullMQ' },
  ],
}

/** What a cluster's client needs besides, to find the nodes and to see that they are ready. */
export const clusterRules: readonly AccountRules[] = [
  { rules: '+cluster|slots +cluster|info', why: 'ioredis finds the nodes and sees them ready' },
]

/** What a cache without structures needs on a connection that BullMQ does not use. */
export const cacheAccount: LeastAccount = {
  user: 'cache',
  rules: [
    { rules: '~shop:v1:*', why: '' },
    { rules: '~corral:*', why: '' },
    ...signals,
    { rules: '-@all', why: '' },
    {
      rules:
        '+hello +auth +client|setname +client|id +client|tracking +subscribe +ping +info +time',
      why: '',
    },
    { rules: '+get +mget +getrange +set +setrange +del +unlink', why: '' },
    { rules: '+pttl +pexpire +persist +incrby +scan +eval +evalsha', why: '' },
  ],
}

/** The words of `ACL SETUSER` after the name of the user. */
export function accountWords({ rules }: LeastAccount): readonly string[] {
  return rules.flatMap((group) => group.rules.split(' '))
}
