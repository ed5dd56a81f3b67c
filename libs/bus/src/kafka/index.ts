export { openKafkaBus } from './bus.ts'
