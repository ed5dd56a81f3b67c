export { createRunnerPool, type RunnerPool, type RunnerPoolOptions, type RunRules } from './pool.ts'
export type { HandlerSource, OutputLimits, RawDescription } from './protocol.ts'
