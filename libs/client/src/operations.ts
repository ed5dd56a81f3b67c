import type { components, paths } from './api-types.ts'

/** The schemas of the API, by name: `Schemas['Job']`. */
export type Schemas = components['schemas']

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete'

/** The addresses that take a method, as the description writes them: `/jobs/{id}`. */
export type PathOf<M extends Method> = {
  [P in keyof paths]: paths[P][M] extends { responses: unknown } ? P : never
}[keyof paths]

type Operation<M extends Method, P extends PathOf<M>> = paths[P][M]

type ParametersIn<O, Place extends string> = O extends { parameters: infer Places }
  ? Place extends keyof Places
    ? NonNullable<Places[Place]>
    : never
  : never

/** The ids in an address. */
export type PathParameters<M extends Method, P extends PathOf<M>> = ParametersIn<Operation<M, P>, 'path'>

/** The query of an operation: every field may be left out. */
export type Query<M extends Method, P extends PathOf<M>> = Partial<ParametersIn<Operation<M, P>, 'query'>>

type JsonOf<T> = T extends { content: infer Contents }
  ? 'application/json' extends keyof Contents
    ? Contents['application/json']
    : never
  : never

/** What an operation takes as its body; never where it takes none. */
export type Body<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { requestBody?: infer B } ? JsonOf<NonNullable<B>> : never

type Success = 200 | 201 | 202

/** What an operation answers when it succeeds. */
export type Reply<M extends Method, P extends PathOf<M>> =
  Operation<M, P> extends { responses: infer Answers }
    ? { [Status in keyof Answers & Success]: JsonOf<Answers[Status]> }[keyof Answers & Success]
    : never

/** The lists: operations whose answer is a page. */
export type ListPath = {
  [P in PathOf<'get'>]: Reply<'get', P> extends { data: unknown[]; page: Schemas['PagePosition'] } ? P : never
}[PathOf<'get'>]

/** A row of a list. */
export type Row<P extends ListPath> = Reply<'get', P> extends { data: (infer T)[] } ? T : never

type NamedRefusals = Omit<components['responses'], 'AnyProblem'>
type CodeIn<T> = T extends { content: { 'application/problem+json': { code?: infer Code } } }
  ? NonNullable<Code>
  : never

/** The codes of problems that the description names. A newer Belfry may have more. */
export type ProblemCode = CodeIn<NamedRefusals[keyof NamedRefusals]>
