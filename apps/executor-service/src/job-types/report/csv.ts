export type Cell = string | number

/** A text that a spreadsheet would take for a formula gets a leading apostrophe (OWASP, "CSV Injection"). */
function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
}

function field(cell: Cell): string {
  const text = typeof cell === 'number' ? String(cell) : harmless(cell)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A table as RFC 4180 writes it: lines end in CRLF, and what could be misread is quoted. */
export function toCsv(table: readonly (readonly Cell[])[]): string {
  return table.map((row) => `${row.map(field).join(',')}\r\n`).join('')
}
