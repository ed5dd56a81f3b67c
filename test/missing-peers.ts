import { peerVariables } from '@belfry/testkit'
import type { Reporter } from 'vitest/node'

/** The servers that tests need and that have no address in the environment. */
export const missingPeers = Object.entries(peerVariables).filter(([, variable]) => !process.env[variable])

/** Says at the end of a run which tests were skipped because a server of the distributed mode is not there. */
export default class MissingPeersReporter implements Reporter {
  onTestRunEnd(): void {
    for (const [peer, variable] of missingPeers) {
      process.stderr.write(
        `Skipped without ${variable}: the tests on a real ${peer} server, and the flows on separate processes.\n`,
      )
    }
  }
}
