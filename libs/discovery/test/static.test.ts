import { createStaticRegistry } from '../src/index.ts'
import { discoveryContract } from './discovery.contract.ts'

discoveryContract('a static table', async () => createStaticRegistry())
