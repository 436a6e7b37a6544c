import process from 'node:process'
import { memoryAfterGc } from '@corral/testing'
import '../main.ts'

/* The service as it is, in a process that also tells how much memory it holds on to. */

process.on('message', (message) => {
  if (message === 'heap') void memoryAfterGc().then((heap) => process.send?.({ heap }))
})
