import type { ServiceContext } from './context.ts'

/**
 * Ends every login of a user: tokens and sessions, in every process, before it resolves. The source
 * comes first: what it still knew could be verified anew a moment after the auth cache forgot it.
 *
 * @throws CorralError `REVOCATION_PENDING`, `REDIS_UNAVAILABLE`: Redis did not acknowledge it
 */
export async function logOutEverywhere(
  { auth, client, tokens }: Pick<ServiceContext, 'auth' | 'client' | 'tokens'>,
  userId: number,
): Promise<void> {
  await tokens.revokeUser(userId)
  await auth.revokeUser(String(userId))
  await client.deleteUserSessions(String(userId))
}
