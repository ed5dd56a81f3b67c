import { createStaticRegistry } from '../../src/index.ts'
import { discoveryContract } from './registry.contract.ts'

discoveryContract('a static table', async () => createStaticRegistry())
