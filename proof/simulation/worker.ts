import { serveSeeds } from './serve-seeds.ts'

serveSeeds()
