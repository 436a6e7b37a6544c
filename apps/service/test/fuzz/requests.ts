import { Agent, request as httpRequest } from 'node:http'
import fc from 'fast-check'
import { almost, brokenJson, fitting, pathPart, type Schema } from './arbitraries.ts'
import type { ServedRoute } from './routes.ts'

/** Who asks: with what gets in, with something like it, or with nothing. */
export type Credentials = 'good' | 'wrong' | 'none'

/** A request as it is sent, but for its credentials. */
export interface FuzzRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly credentials: Credentials
}

export interface FuzzAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
  readonly retryAfter: boolean
}

/** What may stand in a header. */
const value = fc.stringMatching(/^[\x21-\x7e]{0,30}$/)

/** Headers that some layer looks at. */
const extraHeaders = fc.dictionary(
  fc.constantFrom('cache-control', 'accept', 'cookie', 'x-forwarded-for', 'range', 'if-match'),
  fc.oneof(value, fc.constantFrom('no-store', 'sid=', `sid=${'a'.repeat(43)}`, '203.0.113.9')),
  { maxKeys: 2, noNullPrototype: true },
)

/** Requests to a route: half of them as it wants them, the others wrong in one place or more. */
export function requestsTo(
  route: ServedRoute,
  credentials: fc.Arbitrary<Credentials>,
): fc.Arbitrary<FuzzRequest> {
  return fc.oneof(
    { weight: 1, arbitrary: fittingRequestsTo(route, credentials) },
    { weight: 1, arbitrary: requestOf(route, credentials, 'odd') },
  )
}

/** Requests that a route would take. */
export function fittingRequestsTo(
  route: ServedRoute,
  credentials: fc.Arbitrary<Credentials>,
): fc.Arbitrary<FuzzRequest> {
  return requestOf(route, credentials, 'fitting')
}

function requestOf(
  { method, url, schema }: ServedRoute,
  credentials: fc.Arbitrary<Credentials>,
  kind: 'fitting' | 'odd',
): fc.Arbitrary<FuzzRequest> {
  const { params, querystring, body } = schema
  const path = fc.tuple(
    ...url.split('/').map((part) => {
      if (!part.startsWith(':')) return fc.constant(part)
      const of = params?.properties?.[part.slice(1)]
      const one = kind === 'fitting' ? fitting(of ?? { type: 'string' }) : pathPart(of)
      return one.map((text) => encoded(text))
    }),
  )
  return fc.record({
    method: fc.constant(method),
    path: fc
      .tuple(path, queryOf(querystring, kind))
      .map(([parts, query]) => parts.join('/') + (query === '' ? '' : `?${query}`)),
    headers:
      kind === 'fitting'
        ? fc.constant(body === undefined ? {} : { 'content-type': 'application/json' })
        : fc
            .tuple(extraHeaders, contentType(body !== undefined))
            .map(([extra, type]) => ({ ...extra, ...type })),
    body: bodyOf(method, body, kind),
    credentials,
  })
}

function queryOf(schema: Schema | undefined, kind: 'fitting' | 'odd'): fc.Arbitrary<string> {
  const good = schema === undefined ? fc.constant({}) : fitting(schema)
  const wrong = fc.oneof(
    good,
    fc.dictionary(fc.string({ maxLength: 8 }), fc.string()),
    almost(schema ?? {}),
  )
  return (kind === 'fitting' ? good : wrong).map((query) =>
    typeof query !== 'object' || query === null
      ? encoded(query)
      : Object.entries(query)
          .map(([name, one]) => `${encoded(name)}=${encoded(one)}`)
          .join('&'),
  )
}

function bodyOf(
  method: string,
  schema: Schema | undefined,
  kind: 'fitting' | 'odd',
): fc.Arbitrary<string | undefined> {
  const nothing = fc.constant(undefined)
  if (method === 'GET' || method === 'HEAD') return nothing
  if (schema === undefined)
    return kind === 'fitting' ? nothing : fc.option(brokenJson, { nil: undefined })
  const good = fitting(schema).map((one) => JSON.stringify(one))
  if (kind === 'fitting') return good
  const near = almost(schema).map((one) => JSON.stringify(one))
  return fc.oneof(
    { weight: 4, arbitrary: near },
    { weight: 1, arbitrary: good },
    { weight: 2, arbitrary: brokenJson },
  )
}

function contentType(hasBody: boolean): fc.Arbitrary<Record<string, string>> {
  const json = { 'content-type': 'application/json' }
  return fc.oneof(
    { weight: 5, arbitrary: fc.constant(hasBody ? json : {}) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<Record<string, string>>(
        {},
        { 'content-type': 'text/plain' },
        { 'content-type': 'application/json; charset=latin1' },
        { 'content-type': 'multipart/form-data' },
        { 'content-type': '*/*' },
      ),
    },
  )
}

/** A value in an address; half a character is no text. */
function encoded(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return encodeURIComponent(Buffer.from(text ?? '').toString())
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 })

/** Sends a request and reads its answer; without one in ten seconds it rejects. */
export function send(
  baseUrl: string,
  { method, path, headers, body }: Omit<FuzzRequest, 'credentials'>,
): Promise<FuzzAnswer> {
  const { hostname, port } = new URL(baseUrl)
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const one = httpRequest({
      agent,
      hostname,
      port,
      method,
      path,
      headers: { ...headers, ...length },
    })
    one.setTimeout(10_000, () => one.destroy(new Error('no answer within ten seconds')))
    one.once('error', reject)
    one.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'] ?? '',
          text: Buffer.concat(chunks).toString(),
          retryAfter: response.headers['retry-after'] !== undefined,
        }),
      )
    })
    one.end(body)
  })
}

export function closeConnections(): void {
  agent.destroy()
}
