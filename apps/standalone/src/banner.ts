/** The facts of the banner. */
export interface BannerFacts {
  readonly url: string
  /** Its address for others, when that is set. */
  readonly publicUrl?: string
  readonly dataDir: string
  /** The port that was asked for, when another one had to be taken. */
  readonly wantedPort?: number
  /** The link that makes the first admin; left out when there is an admin. */
  readonly firstAdminUrl?: string
}

/** The lines that a terminal shows once everything is up; the `curl` is the first step of the README's tour. */
export function bannerText({ url: listensAt, publicUrl, dataDir, wantedPort, firstAdminUrl }: BannerFacts): string {
  const url = publicUrl ?? listensAt
  const taken = wantedPort === undefined ? '' : `  (port ${wantedPort} was taken)`
  return [
    '',
    '  Belfry is ready',
    '',
    `  address   ${url}${taken}`,
    `  docs      ${url}/docs`,
    `  data      ${dataDir}`,
    ...(firstAdminUrl === undefined
      ? []
      : [`  admin     ${firstAdminUrl}  (makes the first admin; works once, for a few minutes)`]),
    '',
    `  next      curl -X POST ${url}/auth/signup \\`,
    `              -H 'content-type: application/json' -d '{"username":"shreyash","password":"12345"}'`,
    '',
    '',
  ].join('\n')
}

/**
 * The text and the exit code of a second start. `address` is null while the first one is starting. At a terminal the code is 0:
 * a Belfry runs, as asked. For a supervisor or a script it is 1: its own process did not start.
 */
export function secondStart(
  dataDir: string,
  address: string | null,
  isTerminal: boolean,
): { text: string; code: 0 | 1 } {
  const where = address ? `at ${address}` : 'and is just starting'
  return { text: `Belfry already runs on ${dataDir}, ${where}\n`, code: isTerminal ? 0 : 1 }
}

/** The text of a stop; `graceMs` is how long it waits for running attempts. */
export function stoppingText(runs: number, graceMs: number): string {
  if (runs === 0) return 'Stopping: no run is at work. What waits is kept.'
  const some = runs === 1 ? '1 run' : `${runs} runs`
  return `Stopping: waiting up to ${graceMs / 1000} s for ${some} to finish. Ctrl-C again ends it now; the next start repeats what was cut short.`
}
