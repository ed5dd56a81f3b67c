import { isTimeZone } from '@belfry/time'
import { z } from 'zod'

/** BELFRY_TIMEZONE: the zone of schedules and times that name none, for each service that reads bodies with schedules. */
export const defaultTimezone = z
  .string()
  .refine(isTimeZone, 'is not the name of a time zone such as "Europe/Berlin"')
  .default('UTC')
