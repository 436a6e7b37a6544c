import { isCorralError } from '@corral/connection'

/** Of jsonwebtoken, and the classes that others took from it. */
const invalidNames: ReadonlySet<string> = new Set([
  'JsonWebTokenError',
  'TokenExpiredError',
  'NotBeforeError',
])

/** Of jose and fast-jwt. Not those about keys that could not be fetched or found. */
const invalidCodes: ReadonlySet<string> = new Set([
  'ERR_JWT_EXPIRED',
  'ERR_JWT_CLAIM_VALIDATION_FAILED',
  'ERR_JWT_INVALID',
  'ERR_JWS_INVALID',
  'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
  'ERR_JWE_INVALID',
  'ERR_JWE_DECRYPTION_FAILED',
  'ERR_JOSE_ALG_NOT_ALLOWED',
  'FAST_JWT_INVALID_SIGNATURE',
  'FAST_JWT_INVALID_PAYLOAD',
  'FAST_JWT_INVALID_ALGORITHM',
  'FAST_JWT_INVALID_CLAIM_VALUE',
  'FAST_JWT_INVALID_TYPE',
  'FAST_JWT_MALFORMED',
  'FAST_JWT_EXPIRED',
  'FAST_JWT_INACTIVE',
  'FAST_JWT_MISSING_SIGNATURE',
])

/** Whether an error of a verifier is about the token, by the libraries that verifiers are made of. */
export function isAboutToken(error: unknown): boolean {
  if (isCorralError(error)) return error.code === 'TOKEN_INVALID'
  if (typeof error !== 'object' || error === null) return false
  return invalidNames.has(wordAt(error, 'name')) || invalidCodes.has(wordAt(error, 'code'))
}

/** Nothing where it is no string, or cannot even be looked at. */
function wordAt(error: object, property: 'name' | 'code'): string {
  try {
    const value = (error as Record<typeof property, unknown>)[property]
    return typeof value === 'string' ? value : ''
  } catch {
    return ''
  }
}

const word = /^[A-Za-z][\w.-]{0,63}$/

/**
 * What may be told of a verifier's error: its name and code, if they are words. Messages and fields
 * of such errors hold requests, and those hold tokens.
 */
export function scrubbed(error: unknown, token: string): Error {
  const parts: string[] = []
  if (typeof error === 'object' && error !== null) {
    for (const part of [wordAt(error, 'name'), wordAt(error, 'code')]) {
      if (word.test(part) && !part.includes(token)) parts.push(part)
    }
  }
  const cause = new Error(parts.join(' ') || 'the verifier threw')
  // Where it was scrubbed says nothing about where it came from.
  delete cause.stack
  return cause
}
