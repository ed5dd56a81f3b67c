import { defineCollection } from '../../src/mongo/index.ts'

export const bells = defineCollection<{ readonly _id: string }>({ name: 'bells', schema: { _id: String } })
