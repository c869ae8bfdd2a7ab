// What scripts give `window.lab`: no compiler has looked at it, so each is asked for what it is before it is used.
// An error says what is wanted, in the words of docs/api.md.

/** A name for what was given, as in "a number"; bytes and classes by their own name. */
function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const { name } = value.constructor ?? {};
  return name && name !== 'Object' ? `a ${name}` : 'an object';
}

const wants = (what: string, wanted: string, value: unknown) =>
  new TypeError(`${what} wants ${wanted}, not ${kindOf(value)}.`);

/** Throws when it is not a string; `what` begins the sentence. */
export function stringOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw wants(what, 'a string', value);
  return value;
}

/** What is recorded, as `lab.trace.watch` takes it: both parts, each true or false. */
export function watchOf(value: unknown): { device: boolean; guest: boolean } {
  if (typeof value === 'object' && value !== null && 'device' in value && 'guest' in value) {
    const { device, guest } = value;
    if (typeof device === 'boolean' && typeof guest === 'boolean') return { device, guest };
  }
  throw new TypeError('lab.trace.watch wants { device: boolean, guest: boolean }.');
}

/** The files of an import with their names; a Blob has none and is called "imported". */
export function filesOf(value: unknown): { name: string; blob: Blob }[] {
  if (value instanceof File) return [{ name: value.name, blob: value }];
  if (value instanceof Blob) return [{ name: 'imported', blob: value }];
  const wanted = 'a Blob, a File or an array of Files';
  if (!Array.isArray(value)) throw wants('lab.disk.import', wanted, value);
  return value.map((file: unknown) => {
    if (!(file instanceof File))
      throw new TypeError(`lab.disk.import wants ${wanted}; ${kindOf(file)} is in the array.`);
    return { name: file.name, blob: file };
  });
}

/** The bytes of a recording. */
export function bytesOf(value: unknown, what: string): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw wants(what, 'a Uint8Array', value);
}

const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** A moment of a recording: by its time in microseconds, or by a command's number. */
export function momentOf(value: unknown): { timeUs: number } | { command: number } {
  if (typeof value === 'object' && value !== null) {
    if ('command' in value && isCount(value.command)) return { command: value.command };
    if ('timeUs' in value && isCount(value.timeUs)) return { timeUs: value.timeUs };
  }
  throw new TypeError('A moment is { timeUs: number } or { command: number }, with a finite number.');
}
