import { numberSteps } from '@belfry/storage/steps'

const both = ['audit.append', 'audit.complete', 'audit.freeze', 'audit.seal', 'audit.remove'] as const

/** The durable steps of an audit log's store, by the kind of the store. On MongoDB the database hands out the numbers of the rows. */
export const auditSteps = { sqlite: both, mongo: [...numberSteps, ...both] } as const
