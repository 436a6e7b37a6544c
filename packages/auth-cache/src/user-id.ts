const loneSurrogate = /\p{Surrogate}/u

/**
 * Lone surrogates are refused: two of them would become one text in UTF-8, and so one user.
 *
 * @throws TypeError
 */
export function checkUserId(userId: unknown, option = 'userId'): asserts userId is string {
  if (typeof userId !== 'string') throw wrong(option, typeof userId)
  if (userId === '') throw wrong(option, "''")
  if (loneSurrogate.test(userId)) throw wrong(option, 'a lone surrogate')
}

function wrong(option: string, received: string): TypeError {
  return new TypeError(
    `${option}: must be a non-empty string of well-formed UTF-16, received ${received}`,
  )
}
