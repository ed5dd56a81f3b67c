import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeProof } from '../proof/report/page.ts'
import { describeConfiguration } from './configuration.ts'
import { describeMessages } from './messages.ts'
import { describeStates } from './states.ts'

/** Every page that is generated, by its name in this folder. */
export const generated: Readonly<Record<string, () => Promise<string>>> = {
  'configuration.md': describeConfiguration,
  'messages.md': async () => describeMessages(),
  'proof.md': describeProof,
  'states.md': async () => describeStates(),
}

if (import.meta.main) {
  for (const [name, describe] of Object.entries(generated)) {
    await writeFile(join(import.meta.dirname, name), await describe())
  }
}
