/** Whole numbers from 0 on, as runs that neither overlap nor touch, in rising order. */
export class RunSet {
  /** Begin and end (one past the last) of each run. */
  readonly #begins: number[] = [];
  readonly #ends: number[] = [];

  get isEmpty(): boolean {
    return this.#begins.length === 0;
  }

  has(number: number): boolean {
    const at = this.#firstEndingAfter(number);
    return at < this.#begins.length && (this.#begins[at] as number) <= number;
  }

  add(first: number, count: number): void {
    if (count <= 0) return;
    let begin = first;
    let end = first + count;
    // All runs that it meets or touches become one with it.
    const from = this.#firstEndingAfter(begin - 1);
    let to = from;
    for (; to < this.#begins.length && (this.#begins[to] as number) <= end; to++) {
      begin = Math.min(begin, this.#begins[to] as number);
      end = Math.max(end, this.#ends[to] as number);
    }
    this.#begins.splice(from, to - from, begin);
    this.#ends.splice(from, to - from, end);
  }

  runs(): { readonly first: number; readonly count: number }[] {
    return this.#begins.map((first, i) => ({ first, count: (this.#ends[i] as number) - first }));
  }

  /** Index of the first run that ends after `number`. */
  #firstEndingAfter(number: number): number {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) > number) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
