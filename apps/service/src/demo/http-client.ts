import { Agent, request as httpRequest } from 'node:http'
import type { Sample } from './samples.ts'

export interface Answer extends Sample {
  readonly body: unknown
}

/** Talks to the service over connections that stay open. */
export interface HttpClient {
  /** Never rejects: a request without an answer has status 0. */
  send(method: string, path: string, options?: RequestOptions): Promise<Answer>
  close(): void
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Longest that a request may take before it counts as failed. */
const TIMEOUT_MS = 10_000

export function createHttpClient(baseUrl: string, apiKey: string): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const { hostname, port } = new URL(baseUrl)

  return {
    send(method, path, { headers, body } = {}) {
      const payload = body === undefined ? undefined : JSON.stringify(body)
      const sentAt = performance.now()
      return new Promise((resolve) => {
        const finish = (status: number, from: string, text: string): void =>
          resolve({ sentAt, took: performance.now() - sentAt, status, from, body: parse(text) })
        const request = httpRequest({
          agent,
          hostname,
          port,
          method,
          path,
          headers: {
            ...(payload === undefined
              ? {}
              : {
                  'content-type': 'application/json',
                  'content-length': Buffer.byteLength(payload),
                  'x-api-key': apiKey,
                }),
            ...headers,
          },
        })
        request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('no answer')))
        request.once('error', () => finish(0, '', ''))
        request.once('response', (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.once('error', () => finish(0, '', ''))
          response.once('end', () => {
            const from = String(response.headers['x-cache'] ?? '')
            finish(response.statusCode ?? 0, from, Buffer.concat(chunks).toString())
          })
        })
        request.end(payload)
      })
    },
    close: () => agent.destroy(),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
