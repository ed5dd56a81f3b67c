export { createSqliteKeys } from './keys.ts'
export { migrations } from './migrations.ts'
export { createSqliteUsers } from './users.ts'
