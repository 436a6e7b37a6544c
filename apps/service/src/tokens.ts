import { createHash, randomBytes } from 'node:crypto'
import type { Database } from './database.ts'

/** A token as it was handed out: this is the only place where it stands. */
export interface IssuedToken {
  readonly token: string
  /** Epoch milliseconds. */
  readonly expiresAt: number
}

/** Whose token it is, and when it ends. */
export interface TokenOwner {
  readonly userId: string
  readonly expiresAt: number
}

/** The source of truth about tokens: a table of their digests. */
export interface Tokens {
  issue(userId: number): Promise<IssuedToken>
  /** What the auth cache asks for a token that it does not know. */
  verify(token: string): Promise<TokenOwner | undefined>
  revoke(token: string): Promise<void>
  revokeUser(userId: number): Promise<void>
}

export function createTokens(database: Database, ttlMs: number): Tokens {
  return {
    async issue(userId) {
      const token = randomBytes(32).toString('base64url')
      const expiresAt = Date.now() + ttlMs
      await database.run('DELETE FROM tokens WHERE user_id = $1 AND expires_at < now()', [userId])
      await database.run('INSERT INTO tokens (digest, user_id, expires_at) VALUES ($1, $2, $3)', [
        digest(token),
        userId,
        new Date(expiresAt),
      ])
      return { token, expiresAt }
    },
    async verify(token) {
      const [row] = await database.rows<{ user_id: number; expires_at: Date }>(
        'SELECT user_id, expires_at FROM tokens WHERE digest = $1 AND expires_at > now()',
        [digest(token)],
      )
      return row && { userId: String(row.user_id), expiresAt: row.expires_at.getTime() }
    },
    async revoke(token) {
      await database.run('DELETE FROM tokens WHERE digest = $1', [digest(token)])
    },
    async revokeUser(userId) {
      await database.run('DELETE FROM tokens WHERE user_id = $1', [userId])
    },
  }
}

/** Tokens are random, so that a plain hash cannot be guessed at. */
function digest(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}
