/** Times to live in seconds, for those who like them by name. */
export const TTL = {
  /** One minute. */
  SHORT: 60,
  /** Five minutes. */
  MEDIUM: 300,
  /** One hour. */
  LONG: 3600,
  /** One day. */
  DAY: 86_400,
} as const
