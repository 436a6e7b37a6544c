import { runWorker } from '../../src/index.ts'

/** Meets the others in each of `rounds` rounds; slower the higher its index. */
runWorker<{ rounds: number; tags: Map<string, number> }>(async (ctx) => {
  const passed: { arrived: number; went: number }[] = []
  for (let round = 0; round < ctx.data.rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, ctx.index * 10))
    const arrived = Date.now()
    await ctx.barrier('round')
    passed.push({ arrived, went: Date.now() })
  }
  ctx.report({ from: ctx.index })
  return { index: ctx.index, count: ctx.count, pid: process.pid, passed, size: ctx.data.tags.size }
})
