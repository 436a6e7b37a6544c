import { FlowProducer, type Job, Queue, QueueEvents, Worker } from 'bullmq'
import type { Redis } from 'ioredis'

/** What a service does with BullMQ, on one client: queue, worker, events, flows, schedules, tidying. */
export async function tourBullMq(connection: Redis): Promise<void> {
  const queue = new Queue('tour', { connection })
  const events = new QueueEvents('tour', { connection })
  const flows = new FlowProducer({ connection })
  const worker = new Worker('tour', work, { connection })
  const parts = [queue, events, flows, worker]
  try {
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()])
    const job = await queue.add('first', { n: 1 })
    await job.waitUntilFinished(events, 10_000)
    const failing = await queue.add('fails', {}, { attempts: 2, backoff: 10 })
    await failing.waitUntilFinished(events, 10_000).catch(() => undefined)
    await queue.addBulk([
      { name: 'a', data: {} },
      { name: 'b', data: {}, opts: { delay: 5 } },
    ])
    await flows.add({
      name: 'parent',
      queueName: 'tour',
      children: [{ name: 'child', queueName: 'tour' }],
    })
    await queue.upsertJobScheduler('each-minute', { every: 60_000 })
    await queue.getJobs()
    await queue.getJobCounts()
    await queue.getWorkers()
    await queue.pause()
    await queue.resume()
    await queue.clean(0, 10, 'completed')
    await queue.removeJobScheduler('each-minute')
    await worker.close()
    await queue.obliterate({ force: true })
  } finally {
    await Promise.all(parts.map((part) => part.close()))
  }
}

async function work(job: Job): Promise<string> {
  await job.log('begun')
  if (job.name === 'fails') throw new Error('as it is meant to')
  return 'done'
}
