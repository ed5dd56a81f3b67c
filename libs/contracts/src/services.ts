/** The services by the name under which registry knows them. */
export const serviceNames = ['gateway', 'auth-service', 'job-service', 'scheduler-service', 'executor-service'] as const
export type ServiceName = (typeof serviceNames)[number]
