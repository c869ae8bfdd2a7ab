/** What is made when it is first asked for, one after the other, and is then there for everybody who asks again. */
export class Lazily<T> implements Iterable<T> {
  readonly #made: T[] = [];
  readonly #making: Iterator<T>;

  constructor(making: Iterator<T>) {
    this.#making = making;
  }

  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let i = 0; ; i++) {
      if (i === this.#made.length) {
        const next = this.#making.next();
        if (next.done === true) return;
        this.#made.push(next.value);
      }
      yield this.#made[i] as T;
    }
  }

  /** Makes what was not asked for yet. */
  finish(): void {
    const making = this[Symbol.iterator]();
    while (making.next().done !== true);
  }
}
