/** A field of a wire structure: where it is, what it is called, what it says, and where that is written. */
export interface DecodedField {
  /** As the specification abbreviates it. */
  readonly name: string;
  /** First byte in its structure, and how many bytes it touches. */
  readonly offset: number;
  readonly bytes: number;
  /** "9:8", bits of its doubleword; empty for whole bytes. */
  readonly bits: string;
  /** Exact up to 2^53. */
  readonly value: number;
  /** The value in hexadecimal digits, as wide as the field. */
  readonly hex: string;
  /** What the value means; empty where the number says it all. */
  readonly text: string;
  /** The structure or table that names the field. */
  readonly citation: string;
  readonly children: readonly DecodedField[];
}

/** How a field is read. */
export interface FieldSpec {
  readonly name: string;
  readonly offset: number;
  /** Whole bytes, up to 8; or bits of the doubleword at `offset`. */
  readonly bytes?: number;
  readonly bits?: { readonly low: number; readonly count: number };
  readonly text?: (value: number, hex: string) => string;
  readonly children?: readonly FieldSpec[];
}

/** A field of whole bytes. */
export const whole = (
  name: string,
  offset: number,
  bytes: number,
  text?: (value: number, hex: string) => string,
): FieldSpec => ({ name, offset, bytes, ...(text && { text }) });

/** Some bits of the doubleword at `offset`. */
export const bits = (
  name: string,
  offset: number,
  low: number,
  count: number,
  text?: (value: number) => string,
): FieldSpec => ({ name, offset, bits: { low, count }, ...(text && { text }) });

/** A doubleword, or more, with what it is made of. */
export const group = (
  name: string,
  offset: number,
  bytes: number,
  children: readonly FieldSpec[],
): FieldSpec => ({ name, offset, bytes, children });

/** A count of which the wire carries one less. */
export const zeroBased =
  (what: string, more = `${what}s`) =>
  (value: number): string =>
    `${value + 1} ${value === 0 ? what : more}`;

/** Reads fields out of a structure. Those that reach beyond its end are left out. */
export function decode(bytes: Uint8Array, specs: readonly FieldSpec[], citation: string): DecodedField[] {
  const fields: DecodedField[] = [];
  for (const spec of specs) {
    const field = decodeOne(bytes, spec, citation);
    if (field) fields.push(field);
  }
  return fields;
}

function decodeOne(bytes: Uint8Array, spec: FieldSpec, citation: string): DecodedField | undefined {
  const { name, text } = spec;
  if (spec.bits) {
    const { low, count } = spec.bits;
    if (spec.offset + 4 > bytes.length) return undefined;
    const value = Math.floor(u32(bytes, spec.offset) / 2 ** low) % 2 ** count;
    const first = Math.floor(low / 8);
    const last = Math.floor((low + count - 1) / 8);
    const hex = value.toString(16).padStart(Math.ceil(count / 4), '0');
    return {
      name,
      offset: spec.offset + first,
      bytes: last - first + 1,
      bits: count === 1 ? `${low}` : `${low + count - 1}:${low}`,
      value,
      hex,
      text: text?.(value, hex) ?? '',
      citation,
      children: [],
    };
  }
  const { offset, bytes: width = 4 } = spec;
  if (offset + width > bytes.length) return undefined;
  let hex = '';
  for (let i = width - 1; i >= 0; i--) hex += (bytes[offset + i] as number).toString(16).padStart(2, '0');
  const value = width <= 8 ? parseInt(hex, 16) : 0;
  return {
    name,
    offset,
    bytes: width,
    bits: '',
    value,
    hex,
    text: text?.(value, hex) ?? '',
    citation,
    children: decode(bytes, spec.children ?? [], citation),
  };
}

function u32(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(at, at + 4);
  return ((d << 24) | (c << 16) | (b << 8) | a) >>> 0;
}

/** The innermost field that a byte belongs to. */
export function fieldAt(fields: readonly DecodedField[], byte: number): DecodedField | undefined {
  for (const field of fields) {
    if (byte < field.offset || byte >= field.offset + field.bytes) continue;
    return fieldAt(field.children, byte) ?? field;
  }
  return undefined;
}
