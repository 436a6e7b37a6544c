import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpClient } from './http-client.ts'

interface WarmJob {
  readonly state: string
  readonly progress?: { readonly done: number; readonly total: number }
  readonly failedReason?: string
}

/** Has the service warm its cache, and tells how far it is. */
export async function warm(
  client: HttpClient,
  keys: readonly string[],
  onProgress: (detail: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { status, body } = await client.send('POST', '/api/cache/warm', { body: { keys } })
  if (status !== 202) throw new Error(`/api/cache/warm answered ${status}`)
  const { id } = body as { id: string }
  for (;;) {
    const job = (await client.send('GET', `/api/jobs/${id}`)).body as WarmJob | undefined
    if (job?.state === 'completed') return
    if (job?.state === 'failed') throw new Error(`warming failed: ${job.failedReason}`)
    if (job?.progress) onProgress(`${job.progress.done} of ${job.progress.total} keys`)
    await sleep(25, undefined, { signal })
  }
}
