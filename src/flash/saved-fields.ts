/**
 * Reading a saved state. It came from storage, where anything may have happened to it: each field is checked, and
 * nothing is taken over before all of them were.
 */

/** A saved state is none, or another device's; `message` is for the end of a sentence. */
export class SavedStateError extends Error {
  override readonly name = 'SavedStateError';
}

/** Puts into force what was read. It cannot fail: everything was checked before. */
export type TakeOver = () => void;

/** The fields of one saved object. Every method throws a {@link SavedStateError} for what is not allowed. */
export class SavedFields {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly what: string;

  /** `what` names the object in errors. */
  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SavedStateError(`${what} is missing`);
    this.fields = value as Readonly<Record<string, unknown>>;
    this.what = what;
  }

  get(name: string): unknown {
    return Object.hasOwn(this.fields, name) ? this.fields[name] : undefined;
  }

  /** A whole number from `min` to `max`; where both are beyond 2^53 it is as exact as a number can be. */
  whole(name: string, min: number, max: number): number {
    return checkWhole(this.get(name), min, max, `${name} of ${this.what}`);
  }

  flag(name: string): boolean {
    const value = this.get(name);
    if (typeof value !== 'boolean') throw this.wrong(name);
    return value;
  }

  text(name: string, pattern: RegExp): string {
    const value = this.get(name);
    if (typeof value !== 'string' || !pattern.test(value)) throw this.wrong(name);
    return value;
  }

  object(name: string): SavedFields {
    return new SavedFields(this.get(name), `${name} of ${this.what}`);
  }

  /** A list of at most `most` items, each as `read` makes it of what was saved. */
  list<T>(name: string, most: number, read: (item: unknown, what: string) => T): T[] {
    const value = this.get(name);
    if (!Array.isArray(value) || value.length > most) throw this.wrong(name);
    return Array.from(value as unknown[], (item) => read(item, `${name} of ${this.what}`));
  }

  /** A list of whole numbers. */
  wholes(name: string, most: number, min: number, max: number): number[] {
    return this.list(name, most, (item, what) => checkWhole(item, min, max, what));
  }

  /** A list of pairs of whole numbers that `isAllowed` lets pass. */
  pairs(
    name: string,
    most: number,
    isAllowed: (first: number, second: number) => boolean,
  ): [first: number, second: number][] {
    return this.list(name, most, (item) => {
      const [first, second] = Array.isArray(item) ? (item as unknown[]) : [];
      const areWhole = Number.isInteger(first) && Number.isInteger(second);
      if (!areWhole || !isAllowed(first as number, second as number)) throw this.wrong(name);
      return [first as number, second as number];
    });
  }

  /** The error for a field that cannot be so. */
  wrong(name: string): SavedStateError {
    return new SavedStateError(`${name} of ${this.what} is impossible`);
  }
}

function checkWhole(value: unknown, min: number, max: number, what: string): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new SavedStateError(`${what} is impossible`);
  return value as number;
}
