export { expireScript, type ExpireRequest } from './expire-script.ts'
export { incrementScript, type IncrementReply, type IncrementRequest } from './increment-script.ts'
export { keyHash } from './key-hash.ts'
export { parseJson, stringifyValue } from './keyv-json.ts'
export { leaseScript, type LeaseReply, type LeaseRequest } from './lease-script.ts'
export { leaseToken } from './lease-token.ts'
export { isDead, seenStamps, stampKills, type Stamps } from './liveness.ts'
export { namespaceStampKey, refreshLeaseKey, tagStampKey } from './protocol-keys.ts'
export { refreshScript, type RefreshReply, type RefreshRequest } from './refresh-script.ts'
export { MAX_KEYS, type Outcome, type Script, type ScriptCall } from './script.ts'
export { stampScript, type StampReply, type StampRequest } from './stamp-script.ts'
export { sweepScript, type SweepReply, type SweepRequest } from './sweep-script.ts'
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
  writeScript,
  type WriteOperation,
  type WriteReply,
  type WriteRequest,
} from './write-script.ts'
