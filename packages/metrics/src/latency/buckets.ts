/**
 * Buckets of a latency histogram: 64 to each doubling, from 61 ns to 131 s. A value is told by the
 * middle of its bucket, which is at most 1/128 (0.8 %) away from it.
 *
 * The bucket is read off the bits of the float: no logarithm, no search. (hdr-histogram-js takes
 * whole numbers only and five times the memory for the same error; DDSketch takes a logarithm for
 * each value.)
 */
const bitsOfMantissa = 6
const perDoubling = 2 ** bitsOfMantissa
/** 2^-14 ms, 61 ns: less than a near hit takes. */
const leastExponent = -14
const doublings = 31

/** How many buckets there are. */
export const bucketCount: number = doublings * perDoubling

/** The most by which a quantile may be off, as a share of it. */
export const relativeError: number = 1 / (2 * perDoubling)

const least = 2 ** leastExponent
const shift = 23 - bitsOfMantissa
const base = (127 + leastExponent) << bitsOfMantissa
const float = new Float32Array(1)
const bits = new Uint32Array(float.buffer)

/** The bucket of a duration in ms. What is outside the range goes into the first or last one. */
export function bucketOf(ms: number): number {
  if (!(ms > least)) return 0
  float[0] = ms
  const bucket = ((bits[0] as number) >>> shift) - base
  return bucket < bucketCount ? bucket : bucketCount - 1
}

/** The middle of a bucket, in ms. */
export function bucketMiddle(bucket: number): number {
  const lower = 2 ** (Math.floor(bucket / perDoubling) + leastExponent)
  return lower * (1 + ((bucket % perDoubling) + 0.5) / perDoubling)
}
