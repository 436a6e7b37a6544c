/**
 * XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, 2015):
 * whether a reader at `now` refreshes an entry before it ends. The more its load costs and the nearer
 * its end, the more likely; independent readers so rarely choose the same moment.
 *
 * @param beta 1 is the paper's optimum; more refreshes earlier
 * @param random over 0 up to 1
 */
export function refreshesEarly(
  now: number,
  freshUntil: number,
  costMs: number,
  beta: number,
  random: number,
): boolean {
  return now - costMs * beta * Math.log(random) >= freshUntil
}
