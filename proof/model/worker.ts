import { parentPort } from 'node:worker_threads'
import { runTask } from './tasks.ts'

parentPort?.on('message', (task) => parentPort?.postMessage(runTask(task)))
