/** What the banner tells a person who has just started Belfry. */
export interface BannerFacts {
  readonly url: string
  readonly dataDir: string
  /** The port that was asked for, when another one had to be taken. */
  readonly wantedPort?: number
}

/** The lines that a terminal shows once everything is up; the `curl` is the first step of the README's tour. */
export function bannerText({ url, dataDir, wantedPort }: BannerFacts): string {
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

/** What a second start says. `address` is null while the first one is still starting. */
export function alreadyRunningText(dataDir: string, address: string | null): string {
  const where = address ? `at ${address}` : 'and is just starting'
  return `Belfry already runs on ${dataDir}, ${where}\n`
}
