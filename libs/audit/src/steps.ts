/** The durable steps of an audit log's store. */
export const auditSteps = ['audit.append', 'audit.complete', 'audit.freeze', 'audit.seal', 'audit.remove'] as const
