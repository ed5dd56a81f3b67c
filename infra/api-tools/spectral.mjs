/** Checks the OpenAPI document of a file with the ruleset spectral:oas: each finding on a line, and exit code 1 when there is one. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import spectralCore from '@stoplight/spectral-core'
import { oas } from '@stoplight/spectral-rulesets'

const { Spectral } = spectralCore
const severities = ['error', 'warning', 'information', 'hint']

const spectral = new Spectral()
spectral.setRuleset({ extends: oas })
const findings = await spectral.run(JSON.parse(readFileSync(process.argv[2], 'utf8')))
for (const { severity, code, path, message } of findings) {
  process.stderr.write(`${severities[severity]} ${code} at ${path.join('.')}: ${message}\n`)
}
process.stderr.write(`spectral:oas: ${findings.length} findings\n`)
process.exit(findings.length === 0 ? 0 : 1)
