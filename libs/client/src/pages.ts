import type { ListPath, PathParameters, Query, Row, Schemas } from './operations.ts'
import type { CallOptions, Request } from './request.ts'

interface AnyPage {
  readonly data: readonly unknown[]
  readonly page: Schemas['PagePosition']
}

/** What a list takes: its filters; `limit` is the number of rows of a page, and `cursor` where to begin. */
export type ListOptions<P extends ListPath> = Pick<CallOptions, 'signal'> & {
  readonly query?: Query<'get', P>
} & ([PathParameters<'get', P>] extends [never] ? object : { readonly params: PathParameters<'get', P> })

/** Reads any list; a list whose address has ids needs its `params`. */
export type List = <P extends ListPath>(
  path: P,
  ...options: object extends ListOptions<P> ? [options?: ListOptions<P>] : [options: ListOptions<P>]
) => AsyncGenerator<Row<P>>

/** The rows of a list, page by page: the next page is read when the rows of the one before are used up. */
export async function* rowsOf<P extends ListPath>(
  request: Request,
  path: P,
  options: ListOptions<P>,
): AsyncGenerator<Row<P>> {
  const { query = {}, ...rest } = options as { query?: Record<string, unknown> }
  // The types of one list are known to its caller; here it is any list.
  const read = request as unknown as (method: 'get', path: P, options: object) => Promise<{ body: AnyPage }>
  let cursor = query.cursor as string | undefined
  do {
    const { body } = await read('get', path, { ...rest, query: { ...query, cursor } })
    yield* body.data as Row<P>[]
    cursor = body.page.hasMore ? (body.page.nextCursor ?? undefined) : undefined
  } while (cursor !== undefined)
}
