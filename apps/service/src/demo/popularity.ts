/**
 * Picks users the way traffic does: few are asked for often, many seldom (Zipf with exponent 1.1).
 * The same picks at every run.
 */
export function createPopularity(users: number): () => number {
  const cumulative: number[] = []
  let sum = 0
  for (let rank = 1; rank <= users; rank++) {
    sum += 1 / rank ** 1.1
    cumulative.push(sum)
  }
  const random = createRandom(20_260_101)

  return () => {
    const point = random() * sum
    let low = 0
    let high = users - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? sum) < point) low = middle + 1
      else high = middle
    }
    return low + 1
  }
}

/** Mulberry32: small, fast, good enough for picking users. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let bits = Math.imul(state ^ (state >>> 15), 1 | state)
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296
  }
}
