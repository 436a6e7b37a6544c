/** redlock 5 ships types that its `exports` do not lead to. */
declare module 'redlock' {
  export default class Redlock {
    constructor(
      clients: Iterable<object>,
      settings?: {
        readonly retryCount?: number
        readonly retryDelay?: number
        readonly retryJitter?: number
      },
    )
    acquire(resources: string[], duration: number): Promise<{ release(): Promise<unknown> }>
  }
}
