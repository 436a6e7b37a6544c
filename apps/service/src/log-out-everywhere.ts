import type { ServiceContext } from './context.ts'

/**
 * Ends every login of a user, sessions and tokens, in every process, before it resolves. Sessions come
 * first: should Redis not answer, nothing was done and whoever asked can ask again. Of tokens the
 * source comes first: what it still knew could be verified anew a moment after the auth cache forgot it.
 *
 * @throws CorralError `REDIS_UNAVAILABLE`: nothing was done; `REVOCATION_PENDING`: tokens are refused
 * here, and elsewhere when Redis is back
 */
export async function logOutEverywhere(
  { auth, client, tokens }: Pick<ServiceContext, 'auth' | 'client' | 'tokens'>,
  userId: number,
): Promise<void> {
  await client.deleteUserSessions(String(userId))
  await tokens.revokeUser(userId)
  await auth.revokeUser(String(userId))
}
