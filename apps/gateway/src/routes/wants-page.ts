/** Whether the client is a browser: a browser accepts HTML, `curl` does not name it. */
export function wantsPage(accept: string | undefined): boolean {
  return accept?.includes('text/html') ?? false
}
