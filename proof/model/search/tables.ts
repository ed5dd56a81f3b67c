/** The values of one field of the states, each once and known by a number. Values are compared by their JSON text. */
class Table {
  readonly values: unknown[] = []
  readonly #byText = new Map<string, number>()
  readonly #byValue = new Map<unknown, number>()
  readonly #byObject = new WeakMap<object, number>()

  idOf(value: unknown): number {
    if (typeof value !== 'object' || value === null) {
      return this.#byValue.get(value) ?? this.#add(value, this.#byValue, value)
    }
    const known = this.#byObject.get(value)
    if (known !== undefined) return known
    const text = JSON.stringify(value)
    const id = this.#byText.get(text) ?? this.#add(value, this.#byText, text)
    this.#byObject.set(value, id)
    return id
  }

  #add<K>(value: unknown, index: Map<K, number>, key: K): number {
    const id = this.values.push(value) - 1
    index.set(key, id)
    return id
  }
}

/**
 * Every state that was found, as one number for each of its fields. Two states with equal fields are the same state: the whole rows
 * are compared, so no state is taken for another one because of its hash. The fields of a state that is read are the very objects
 * with which their values were first stored.
 */
export class States<S extends object> {
  readonly #fields: readonly (keyof S)[]
  readonly #tables: readonly Table[]
  #rows = new Int32Array(1 << 16)
  #slots = new Int32Array(1 << 16).fill(-1)
  readonly #row: Int32Array
  count = 0

  constructor(fields: readonly (keyof S)[]) {
    this.#fields = fields
    this.#tables = fields.map(() => new Table())
    this.#row = new Int32Array(fields.length)
  }

  read(index: number): S {
    const state = {} as Record<keyof S, unknown>
    const from = index * this.#fields.length
    for (let i = 0; i < this.#fields.length; i++)
      state[this.#fields[i]!] = this.#tables[i]!.values[this.#rows[from + i]!]
    return state as S
  }

  /** The index of the state, and whether it was found for the first time. */
  add(state: S): { readonly index: number; readonly isNew: boolean } {
    let hash = 0x9e3779b9
    for (let i = 0; i < this.#fields.length; i++) {
      const id = this.#tables[i]!.idOf(state[this.#fields[i]!])
      this.#row[i] = id
      hash = Math.imul(hash ^ id, 0x85ebca6b)
      hash ^= hash >>> 15
    }
    const mask = this.#slots.length - 1
    let slot = Math.imul(hash, 0xc2b2ae35) & mask
    for (let known = this.#slots[slot]!; known !== -1; known = this.#slots[slot]!) {
      if (this.#isRow(known)) return { index: known, isNew: false }
      slot = (slot + 1) & mask
    }
    this.#slots[slot] = this.count
    this.#append()
    return { index: this.count - 1, isNew: true }
  }

  #isRow(index: number): boolean {
    const from = index * this.#fields.length
    for (let i = 0; i < this.#fields.length; i++) if (this.#rows[from + i] !== this.#row[i]) return false
    return true
  }

  #append(): void {
    const from = this.count * this.#fields.length
    if (from + this.#fields.length > this.#rows.length) this.#rows = grown(this.#rows)
    this.#rows.set(this.#row, from)
    this.count += 1
    if (this.count * 2 > this.#slots.length) this.#rehash()
  }

  #rehash(): void {
    const mask = this.#slots.length * 2 - 1
    this.#slots = new Int32Array(mask + 1).fill(-1)
    for (let index = 0; index < this.count; index++) {
      let hash = 0x9e3779b9
      for (let i = 0; i < this.#fields.length; i++) {
        hash = Math.imul(hash ^ this.#rows[index * this.#fields.length + i]!, 0x85ebca6b)
        hash ^= hash >>> 15
      }
      let slot = Math.imul(hash, 0xc2b2ae35) & mask
      while (this.#slots[slot] !== -1) slot = (slot + 1) & mask
      this.#slots[slot] = index
    }
  }
}

/** The same numbers with twice the room. */
export function grown(numbers: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(numbers.length * 2)
  larger.set(numbers)
  return larger
}
