/** What a JWT says about itself. Nothing here is believed before a verifier has checked the signature. */
export interface JwtClaims {
  /** `<header>.<payload>`: what the signature is over. */
  readonly signingInput: string
  /** Seconds since 1970. */
  readonly exp: number | undefined
  readonly nbf: number | undefined
  readonly iat: number | undefined
}

/** `malformed`: it has the shape of a JWT and is none. `unsigned`: its algorithm is `none`. */
export type JwtReading = JwtClaims | 'malformed' | 'unsigned' | 'encrypted'

/**
 * `{` and what may follow it in JSON (a quote, white space, `}`), in base64url, and a dot somewhere
 * behind. PASETOs, Discord's and other tokens in parts do not begin so.
 */
const jwtHead = /^(?:ey[ABIJ]|ew[klop01]|e3[01])[^.]*\./

/** White space, which JSON may begin with, in base64url. */
const blankHead = /^[CDI][^.]*\./

export function looksLikeJwt(token: string): boolean {
  if (jwtHead.test(token)) return true
  if (!blankHead.test(token)) return false
  const head = Buffer.from(token.slice(0, token.indexOf('.')), 'base64url').toString('latin1')
  return /^[ \t\r\n]+\{/.test(head)
}

const base64url = /^[\w-]+$/

/** The bytes of one part; only the one way to write them counts, so that a token has no second spelling. */
function decodePart(part: string): Buffer | undefined {
  if (!base64url.test(part)) return undefined
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}

function decodeObject(part: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = decodePart(part)
  if (bytes === undefined) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Not JSON.
  }
  return undefined
}

/** RFC 7519's NumericDate, or nothing; `null`: something else stands there. */
function numericDate(value: unknown): number | undefined | null {
  if (value === undefined) return undefined
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null
}

/** Reads a token that is to be a JWT. */
export function readJwt(token: string): JwtReading {
  const parts = token.split('.')
  const header = decodeObject(parts[0] as string)
  if (header === undefined) return 'malformed'
  const { alg } = header
  if (typeof alg !== 'string' || alg === '') return 'malformed'
  if (alg.toLowerCase() === 'none') return 'unsigned'
  if (parts.length === 5) {
    // JWE: its claims are for those who have the key. The second part may be empty.
    const readable = parts.every((part, at) => (at === 1 && part === '') || decodePart(part))
    return typeof header['enc'] === 'string' && readable ? 'encrypted' : 'malformed'
  }
  if (parts.length !== 3) return 'malformed'
  const payload = decodeObject(parts[1] as string)
  if (payload === undefined || decodePart(parts[2] as string) === undefined) return 'malformed'
  const exp = numericDate(payload['exp'])
  const nbf = numericDate(payload['nbf'])
  const iat = numericDate(payload['iat'])
  if (exp === null || nbf === null || iat === null) return 'malformed'
  return { signingInput: `${parts[0]}.${parts[1]}`, exp, nbf, iat }
}
