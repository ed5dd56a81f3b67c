/** The services, by their names in the registry. */
export const serviceNames = ['gateway', 'auth-service', 'job-service', 'scheduler-service', 'executor-service'] as const
export type ServiceName = (typeof serviceNames)[number]
