/**
 * Wire structures, declared once: a name, an offset and a width for each field. {@link pack} makes the
 * bytes, {@link unpack} reads them back; both are little-endian, as everything in NVMe is.
 */

export type Field =
  | { readonly kind: 'uint'; readonly offset: number; readonly bytes: 1 | 2 | 4 | 8 }
  | { readonly kind: 'ascii'; readonly offset: number; readonly bytes: number }
  | { readonly kind: 'raw'; readonly offset: number; readonly bytes: number };

export interface Struct<F extends Record<string, Field> = Record<string, Field>> {
  /** Bytes of the whole structure on the wire. */
  readonly sizeBytes: number;
  readonly fields: F;
}

type ValueOf<T extends Field> = T extends { kind: 'uint' }
  ? number | bigint
  : T extends { kind: 'ascii' }
    ? string
    : Uint8Array;
export type Values<S extends Struct> = { readonly [K in keyof S['fields']]?: ValueOf<S['fields'][K]> };

export const u8 = (offset: number) => ({ kind: 'uint', offset, bytes: 1 }) as const;
export const u16 = (offset: number) => ({ kind: 'uint', offset, bytes: 2 }) as const;
export const u32 = (offset: number) => ({ kind: 'uint', offset, bytes: 4 }) as const;
export const u64 = (offset: number) => ({ kind: 'uint', offset, bytes: 8 }) as const;
/** Fixed-length ASCII, padded with spaces on the wire (NVMe's convention for SN, MN and FR). */
export const ascii = (offset: number, bytes: number) => ({ kind: 'ascii', offset, bytes }) as const;
export const raw = (offset: number, bytes: number) => ({ kind: 'raw', offset, bytes }) as const;

export function struct<F extends Record<string, Field>>(sizeBytes: number, fields: F): Struct<F> {
  return { sizeBytes, fields };
}

/** The structure's bytes; fields without a value stay zero (ASCII: spaces). Too-long raw values are cut. */
export function pack<S extends Struct>(layout: S, values: Values<S>): Uint8Array {
  const bytes = new Uint8Array(layout.sizeBytes);
  const view = new DataView(bytes.buffer);
  for (const [name, field] of Object.entries(layout.fields)) {
    const value = (values as Record<string, number | bigint | string | Uint8Array | undefined>)[name];
    if (field.kind === 'ascii') {
      const text = typeof value === 'string' ? value : '';
      for (let i = 0; i < field.bytes; i++)
        bytes[field.offset + i] = i < text.length ? text.charCodeAt(i) & 0x7f : 0x20;
    } else if (field.kind === 'raw') {
      if (value instanceof Uint8Array) bytes.set(value.subarray(0, field.bytes), field.offset);
    } else if (value !== undefined) {
      putUint(view, field.offset, field.bytes, BigInt(value as number | bigint));
    }
  }
  return bytes;
}

/** One unsigned field of a packed structure. */
export function unpack(field: Field & { kind: 'uint' }, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (field.bytes) {
    case 1:
      return view.getUint8(field.offset);
    case 2:
      return view.getUint16(field.offset, true);
    case 4:
      return view.getUint32(field.offset, true);
    case 8:
      return Number(view.getBigUint64(field.offset, true));
  }
}

function putUint(view: DataView, offset: number, bytes: 1 | 2 | 4 | 8, value: bigint): void {
  switch (bytes) {
    case 1:
      view.setUint8(offset, Number(BigInt.asUintN(8, value)));
      break;
    case 2:
      view.setUint16(offset, Number(BigInt.asUintN(16, value)), true);
      break;
    case 4:
      view.setUint32(offset, Number(BigInt.asUintN(32, value)), true);
      break;
    case 8:
      view.setBigUint64(offset, BigInt.asUintN(64, value), true);
      break;
  }
}
