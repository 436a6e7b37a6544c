import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { isCorralError } from '@corral/connection'
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** An error that is meant for the client, told as RFC 9457 `application/problem+json`. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly statusCode: number
  readonly members: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>

  /**
   * @param statusCode HTTP status
   * @param detail a sentence for the person who made the request
   * @param options further members of the problem document, and headers of the response
   */
  constructor(
    statusCode: number,
    detail: string,
    options: {
      readonly members?: Readonly<Record<string, unknown>>
      readonly headers?: Readonly<Record<string, string>>
    } = {},
  ) {
    super(detail)
    this.statusCode = statusCode
    this.members = options.members ?? {}
    this.headers = options.headers ?? {}
  }
}

/** What a route answers that cannot do without Redis. */
export function redisAway(): Problem {
  return new Problem(503, 'Redis does not answer.', { headers: { 'retry-after': '1' } })
}

const MEDIA_TYPE = 'application/problem+json; charset=utf-8'

/** Makes every error of the service a problem document; what is not meant for clients stays in the log. */
export function registerProblems(app: FastifyInstance): void {
  app.setErrorHandler((error: FastifyError, request, reply) => sendProblem(error, request, reply))
  app.setNotFoundHandler((request, reply) =>
    sendProblem(new Problem(404, 'There is nothing at this address.'), request, reply),
  )
}

/** Answers with the problem document for `error`; also for errors that Fastify meets before routing. */
export function sendProblem(
  error: Error & Partial<FastifyError>,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblem(error)
  if (problem.statusCode >= 500 && problem !== error)
    request.log.error({ err: error }, 'request failed')
  return reply
    .code(problem.statusCode)
    .headers(problem.headers)
    .type(MEDIA_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(documentOf(problem, request.id))
}

/**
 * Answers what is not even HTTP (a bad request line, oversized headers, a request that never ends).
 * There is no request to reply to, so it writes to the socket.
 */
export function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  const [status, detail] = brokenRequest(error.code)
  if (socket.writable) {
    const body = JSON.stringify(documentOf(new Problem(status, detail)))
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\ncontent-type: ${MEDIA_TYPE}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  }
  socket.destroySoon()
}

function brokenRequest(code: string | undefined): [number, string] {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'The request took too long to arrive.']
  if (code === 'HPE_HEADER_OVERFLOW') return [431, 'The headers of the request are too large.']
  return [400, 'This is not an HTTP request.']
}

function documentOf(problem: Problem, requestId?: string): Record<string, unknown> {
  return {
    type: 'about:blank',
    title: STATUS_CODES[problem.statusCode] ?? 'Error',
    status: problem.statusCode,
    detail: problem.message,
    ...(requestId === undefined ? {} : { requestId }),
    ...problem.members,
  }
}

function toProblem(error: Error & Partial<FastifyError>): Problem {
  if (error instanceof Problem) return error
  if (error.validation !== undefined) return invalid(error)
  if (isCorralError(error, 'REDIS_UNAVAILABLE')) return redisAway()
  if (isCorralError(error, 'REVOCATION_PENDING')) {
    // In force in this process, and sent again until Redis has it.
    return new Problem(503, 'The logout is not acknowledged yet; ask again.', {
      headers: { 'retry-after': '1' },
    })
  }
  if (isCorralError(error, 'REDIS_FULL')) {
    return new Problem(503, 'Redis is full.', { headers: { 'retry-after': '5' } })
  }
  // What Fastify itself refuses: body too large, wrong media type, malformed JSON or address.
  if (typeof error.code === 'string' && error.code.startsWith('FST_ERR_') && isClientError(error)) {
    return new Problem(error.statusCode, DETAILS[error.code] ?? 'The request cannot be read.')
  }
  if (error instanceof SyntaxError && isClientError(error)) {
    return new Problem(400, 'The body is not valid JSON.')
  }
  return new Problem(500, 'Something went wrong here; it was logged under this request id.')
}

const DETAILS: Readonly<Record<string, string>> = {
  FST_ERR_BAD_URL: 'The address is not validly encoded.',
  FST_ERR_MAX_PARAM_LENGTH: 'A part of the address is too long.',
  FST_ERR_CTP_BODY_TOO_LARGE: 'The body is too large.',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'The body must be application/json.',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'The body is empty.',
  FST_ERR_CTP_INVALID_JSON_BODY: 'The body is not valid JSON.',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'The body does not have the announced length.',
}

function isClientError(error: Partial<FastifyError>): error is { statusCode: number } {
  return error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
}

function invalid(error: Partial<FastifyError>): Problem {
  const place = error.validationContext ?? 'body'
  const errors = (error.validation ?? []).map((one) => ({
    in: place,
    // Where it is and which rule it breaks; the value itself is not repeated.
    pointer: one.instancePath,
    detail: ruleOf(one.message, one.params),
  }))
  return new Problem(400, `The ${place} of the request is not valid.`, { members: { errors } })
}

function ruleOf(message: string | undefined, params: Readonly<Record<string, unknown>>): string {
  const unknown = params['additionalProperty']
  // Says which member is too many, as long as its name is of a harmless shape.
  if (typeof unknown === 'string' && /^\w{1,40}$/.test(unknown)) return `must not have '${unknown}'`
  return message ?? 'is not valid'
}
