/** How often the state of a layer is shown where no terminal is, milliseconds. */
const reportEveryMs = 15_000
const mostColumns = 120

export interface Progress {
  /** A line that the layer writes. */
  line(text: string): void
  /** The layer is done; `summary` stays on the screen. */
  end(summary: string): void
}

/** Shows how long a layer runs and what it wrote last: in one line of a terminal, or else as a line now and then. */
export function showProgress(title: string, out: NodeJS.WriteStream = process.stdout): Progress {
  const since = performance.now()
  let last = ''
  const seconds = () => `${Math.round((performance.now() - since) / 1000)} s`
  const show = () => {
    const text = `${title}  ${seconds()}  ${last}`.slice(0, Math.min(mostColumns, (out.columns ?? mostColumns) - 1))
    out.write(out.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
  }
  show()
  const timer = setInterval(show, out.isTTY ? 1000 : reportEveryMs)
  return {
    line(text) {
      if (text.trim() !== '') last = text.trim()
    },
    end(summary) {
      clearInterval(timer)
      out.write(`${out.isTTY ? '\r\u001b[K' : ''}${title.padEnd(30)} ${summary}\n`)
    },
  }
}
