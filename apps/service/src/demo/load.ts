import type { HttpClient } from './http-client.ts'
import type { Sample } from './samples.ts'

/** Callers that ask for one user after the other, each as soon as it has its answer. */
export interface Load {
  readonly samples: readonly Sample[]
  /** Resolves when the last answer is in. */
  stop(): Promise<void>
}

export interface LoadOptions {
  readonly callers: number
  readonly pick: () => number
  /** Ends it without waiting. */
  readonly signal: AbortSignal
  readonly headers?: Readonly<Record<string, string>>
}

export function startLoad(client: HttpClient, options: LoadOptions): Load {
  const samples: Sample[] = []
  const { callers, pick, signal, headers = {} } = options
  let running = true

  async function call(): Promise<void> {
    while (running && !signal.aborted) {
      const { sentAt, took, status, from } = await client.send('GET', `/api/users/${pick()}`, {
        headers,
      })
      samples.push({ sentAt, took, status, from })
    }
  }

  const all = Promise.all(Array.from({ length: callers }, call))
  return {
    samples,
    async stop() {
      running = false
      await all
    },
  }
}
