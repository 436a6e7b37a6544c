export { expireArgs, expireScript } from './expire-script.ts'
export {
  incrementArgs,
  incrementReply,
  incrementScript,
  type IncrementReply,
  type IncrementRequest,
} from './increment-script.ts'
export { leaseArgs, leaseReply, leaseScript, type LeaseReply } from './lease-script.ts'
export { leaseToken } from './lease-token.ts'
export { isDead, seenStamps, stampKills, type Stamps } from './liveness.ts'
export { namespaceStampKey, refreshLeaseKey, tagStampKey } from './protocol-keys.ts'
export { refreshArgs, refreshReply, refreshScript } from './refresh-script.ts'
export type { DecodedEntry } from './entry-format.ts'
export {
  composeEntry,
  decodeEntry,
  encodeEntry,
  entryIdentity,
  leaseText,
  withValue,
} from './wire-entry.ts'
export {
  deleteArgs,
  extendArgs,
  fillArgs,
  removeArgs,
  setArgs,
  writeScript,
} from './write-script.ts'
