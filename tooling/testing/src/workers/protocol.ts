/** What a worker process tells the one that started it. */
export type FromWorker =
  | { type: 'hello' }
  | { type: 'arrived'; barrier: string }
  | { type: 'report'; value: unknown }
  | { type: 'done'; result: unknown }

/** What it is told. */
export type ToWorker =
  | { type: 'start'; index: number; count: number; data: unknown }
  | { type: 'go'; barrier: string }
