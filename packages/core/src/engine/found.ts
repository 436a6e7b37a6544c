import type { MissReason } from '../entry/read-entry.ts'
import type { DecodedEntry, Stored } from '../protocol/entry-format.ts'
import { withValue } from '../protocol/wire-entry.ts'
import { checkSchema, type StandardSchema } from '../schema/standard-schema.ts'

/** What a key holds, for a call that goes on from there. */
export interface Found {
  /** What may be served as far as invalidations go, fresh or not. */
  readonly entry: DecodedEntry | undefined
  readonly fresh: boolean
  /** Why there is no entry. */
  readonly missed: MissReason
  readonly stored: Stored | null
}

export function isPromise(found: Found | Promise<Found>): found is Promise<Found> {
  return found instanceof Promise
}

export const journalled: Found = notFound('journalled', null)
export const unavailable: Found = notFound('unavailable', null)

export function notFound(missed: MissReason, stored: Stored | null): Found {
  return { entry: undefined, fresh: false, missed, stored }
}

/** What the schema makes of a stored value is what the caller gets; what it refuses is loaded anew. */
export async function checked(
  entry: DecodedEntry,
  fresh: boolean,
  stored: Stored | null,
  schema: StandardSchema | undefined,
): Promise<Found> {
  if (schema === undefined) return { entry, fresh, missed: 'absent', stored }
  const result = await checkSchema(schema, entry.value)
  if (result.issues !== undefined) return notFound('schema', stored)
  return { entry: withValue(entry, result.value), fresh, missed: 'absent', stored }
}
