import { runWorker } from '../../src/index.ts'

if (process.env['FAIL'] === 'loading') throw new Error('broken while loading')

runWorker(async (ctx) => {
  await ctx.barrier('armed')
  const bad = ctx.index === 1
  if (bad && process.env['FAIL'] === 'throw') throw new Error('the reason it failed')
  if (bad && process.env['FAIL'] === 'exit') {
    process.stderr.write('last words\n')
    process.exit(7)
  }
  if (process.env['FAIL'] === 'hang') {
    ctx.report(Date.now())
    setInterval(() => ctx.report(Date.now()), 5)
    await new Promise(() => {})
  }
  await ctx.barrier('after')
  return ctx.index
})
