/** Remembers the last texts that were added. */
export interface Recent {
  has(text: string): boolean
  add(text: string): void
}

/** `limit`: texts that are remembered; beyond it the oldest one is forgotten. */
export function createRecent(limit: number): Recent {
  const texts = new Set<string>()
  return {
    has: (text) => texts.has(text),
    add(text) {
      texts.add(text)
      const [oldest] = texts
      if (texts.size > limit && oldest !== undefined) texts.delete(oldest)
    },
  }
}
