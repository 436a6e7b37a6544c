export { expireArgs, expireScript } from './expire-script.ts'
export {
  incrementArgs,
  incrementReply,
  incrementScript,
  type IncrementReply,
  type IncrementRequest,
} from './increment-script.ts'
export { keyHash } from './key-hash.ts'
export { parseJson, stringifyValue } from './keyv-json.ts'
export { leaseArgs, leaseReply, leaseScript, type LeaseReply } from './lease-script.ts'
export { leaseToken } from './lease-token.ts'
export { isDead, seenStamps, stampKills, type Stamps } from './liveness.ts'
export { namespaceStampKey, refreshLeaseKey, tagStampKey } from './protocol-keys.ts'
export { refreshArgs, refreshReply, refreshScript, type RefreshReply } from './refresh-script.ts'
export { MAX_KEYS } from './script.ts'
export { stampArgs, stampScript } from './stamp-script.ts'
export { sweepArgs, sweepScript } from './sweep-script.ts'
export {
  composeEntry,
  decodeEntry,
  encodeEntry,
  entryIdentity,
  FORMAT_VERSION,
  leaseText,
  type Decoded,
  type DecodedEntry,
  type EntryDraft,
} from './wire-entry.ts'
export {
  deleteArgs,
  dropScript,
  extendArgs,
  fillArgs,
  removeArgs,
  setArgs,
  wasDone,
  writeScript,
} from './write-script.ts'
