/** For what must *not* happen, such as a late write or a retry: there is no condition to wait for. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
