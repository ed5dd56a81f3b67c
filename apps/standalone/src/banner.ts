/** What the banner tells a person who has just started Belfry. */
export interface BannerFacts {
  readonly url: string
  /** Where others reach it, when that is set. */
  readonly publicUrl?: string
  readonly dataDir: string
  /** The port that was asked for, when another one had to be taken. */
  readonly wantedPort?: number
}

/** The lines that a terminal shows once everything is up; the `curl` is the first step of the README's tour. */
export function bannerText({ url: listensAt, publicUrl, dataDir, wantedPort }: BannerFacts): string {
  const url = publicUrl ?? listensAt
  const taken = wantedPort === undefined ? '' : `  (port ${wantedPort} was taken)`
  return [
    '',
    '  Belfry is ready',
    '',
    `  address   ${url}${taken}`,
    `  docs      ${url}/docs`,
    `  data      ${dataDir}`,
    '',
    `  next      curl -X POST ${url}/auth/signup \\`,
    `              -H 'content-type: application/json' -d '{"username":"shreyash","password":"12345"}'`,
    '',
    '',
  ].join('\n')
}

/**
 * What a second start says, and its exit code. `address` is null while the first one is still starting. A person at a
 * terminal has what was asked for: a Belfry that runs. A supervisor or a script must see that its own did not start.
 */
export function secondStart(
  dataDir: string,
  address: string | null,
  isTerminal: boolean,
): { text: string; code: 0 | 1 } {
  const where = address ? `at ${address}` : 'and is just starting'
  return { text: `Belfry already runs on ${dataDir}, ${where}\n`, code: isTerminal ? 0 : 1 }
}

/** What is said when the process was told to stop; `graceMs` is how long it waits for what runs. */
export function stoppingText(runs: number, graceMs: number): string {
  if (runs === 0) return 'Stopping: no run is at work. What waits is kept.'
  const some = runs === 1 ? '1 run' : `${runs} runs`
  return `Stopping: waiting up to ${graceMs / 1000} s for ${some} to finish. Ctrl-C again ends it now; the next start repeats what was cut short.`
}
