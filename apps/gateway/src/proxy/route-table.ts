import type { ServiceName } from '@belfry/contracts'
import type { Access } from '@belfry/http'

/**
 * What a request is counted as. By its user, beside a call: `trigger` one trigger; `triggers` one, and more by what the answer says;
 * `items` calls by what the answer says. By its address: a login, the refresh of one, a sign-up, or a call without a user.
 */
export type RateRule = 'trigger' | 'triggers' | 'items' | 'login' | 'refresh' | 'signup' | 'anonymous'

/** Whether a route's requests are counted: all that need a user, and of the public ones those that have a rule. */
export function isLimited(access: Access | undefined, rule: RateRule | undefined): boolean {
  return access !== 'public' || rule !== undefined
}

/** Addresses of one service, and their access rule. The service verifies the token and the role itself. */
export interface ProxiedRoutes {
  readonly service: Exclude<ServiceName, 'gateway'>
  readonly access: Access
  readonly routes: readonly string[]
  readonly rateRule?: RateRule
}

/**
 * The routes of each service. The most exact pattern wins, in any order. Other addresses
 * are not routed: above all nothing under `/internal`.
 */
export const routeTable: readonly ProxiedRoutes[] = [
  { service: 'auth-service', access: 'public', routes: ['/auth/signup'], rateRule: 'signup' },
  {
    service: 'auth-service',
    access: 'public',
    routes: ['/auth/login', '/auth/bootstrap', '/auth/invite'],
    rateRule: 'login',
  },
  { service: 'auth-service', access: 'public', routes: ['/auth/.well-known/jwks.json'], rateRule: 'anonymous' },
  { service: 'auth-service', access: 'public', routes: ['/auth/refresh', '/auth/logout'], rateRule: 'refresh' },
  { service: 'auth-service', access: 'viewer', routes: ['/auth/*'] },
  {
    service: 'job-service',
    access: 'viewer',
    routes: [
      ...['/jobs', '/jobs/*', '/executions', '/executions/*', '/dead-letters', '/dead-letters/*'],
      ...['/audit', '/audit/*', '/events', '/quotas'],
    ],
  },
  {
    service: 'job-service',
    access: 'viewer',
    routes: ['/secrets', '/secrets/*', '/notifications', '/notifications/*'],
  },
  {
    service: 'job-service',
    access: 'viewer',
    routes: ['/jobs/:id/trigger', '/executions/:id/retry'],
    rateRule: 'trigger',
  },
  // A bulk call may cancel too, which must work while no more triggers are taken: its retries count as triggers afterwards.
  {
    service: 'job-service',
    access: 'viewer',
    routes: ['/jobs/batch', '/jobs/pause', '/jobs/resume', '/executions/bulk'],
    rateRule: 'items',
  },
  {
    service: 'job-service',
    access: 'viewer',
    routes: ['/triggers/batch', '/jobs/:id/backfill', '/dead-letters/redrive'],
    rateRule: 'triggers',
  },
  {
    service: 'scheduler-service',
    access: 'viewer',
    routes: ['/scheduler/*', '/schedules/*', '/jobs/:id/fire-log'],
  },
  {
    service: 'executor-service',
    access: 'viewer',
    routes: [
      '/executions/:id/logs',
      '/executions/:id/artifacts/:name',
      '/job-types',
      '/job-types/*',
      '/system/drain',
      '/system/resume',
    ],
  },
]

/** The services behind the gateway, each once. */
export const proxiedServices = [...new Set(routeTable.map(({ service }) => service))]

/** The methods that go through with the route's access; the service answers 405 where it does not take one. */
export const proxiedMethods = ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST', 'PUT']
