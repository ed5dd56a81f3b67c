import type { RequestListener, ServerResponse } from 'node:http'
import type { Resolve } from '@belfry/outbound'
import type { Handler, Handlers } from '@belfry/worker'
import { afterEach } from 'vitest'
import { createHandlers, handlersDefaults } from '../../src/job-types/job-types.ts'
import { createTestContext, type TestContext } from './run-context.ts'
import { startTarget, type Target } from './target.ts'

const toClose: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close()
})

/** Closes something after the test, the last one first. */
export function closeLater(close: () => Promise<unknown>): void {
  toClose.push(close)
}

export async function target(answer: RequestListener): Promise<Target> {
  const started = await startTarget(answer)
  closeLater(started.close)
  return started
}

/** HTTP_CALL with private addresses on. */
export function httpCall(resolve?: Resolve): Handler {
  const handlers: Handlers = createHandlers({ ...handlersDefaults, allowPrivate: true }, resolve)
  closeLater(handlers.close)
  return handlers.types.get('HTTP_CALL') as Handler
}

/** Parses the params and calls the handler, as the executor does. */
export function call(
  params: Record<string, unknown>,
  context: TestContext = createTestContext(),
  handler: Handler = httpCall(),
) {
  return handler.run(handler.params.parse(params), context)
}

export const json = (response: ServerResponse, value: unknown) =>
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(value))
