import { afterEach, beforeEach, describe } from 'vitest'
import type { Stores } from '../../src/store/ports.ts'
import { describeAdmissions } from './contract/admissions.contract.ts'
import { describeChanges } from './contract/changes.contract.ts'
import { describeDue } from './contract/due.contract.ts'
import { describeExecutions } from './contract/executions.contract.ts'
import { createStoreKit } from './contract/kit.ts'
import { describeOutput } from './contract/output.contract.ts'
import { describeRetention } from './contract/retention.contract.ts'

/** What every body of the executor's stores must do. `createStores` makes them empty. */
export function describeStores(name: string, createStores: () => Promise<Stores>): void {
  describe(`the executor's stores on ${name}`, () => {
    let stores: Stores

    beforeEach(async () => {
      stores = await createStores()
    })
    afterEach(() => stores.close())

    const kit = createStoreKit(() => stores)
    describeExecutions(kit)
    describeDue(kit)
    describeChanges(kit)
    describeAdmissions(kit)
    describeRetention(kit)
    describeOutput(kit)
  })
}
