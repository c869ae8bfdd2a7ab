import { describe, expect, it } from 'vitest';
import { ascii, pack, raw, struct, u16, u32, u64, u8, unpack } from './layout.ts';

describe('pack and unpack', () => {
  const layout = struct(32, {
    a: u8(0),
    b: u16(1),
    c: u32(4),
    d: u64(8),
    text: ascii(16, 6),
    rest: raw(24, 4),
  });

  it('are little-endian and inverse', () => {
    const bytes = pack(layout, { a: 0x12, b: 0x3456, c: 0x789a_bcde, d: 0x1_2345_6789n });
    expect(Array.from(bytes.subarray(0, 8))).toEqual([0x12, 0x56, 0x34, 0, 0xde, 0xbc, 0x9a, 0x78]);
    expect(unpack(layout.fields.a, bytes)).toBe(0x12);
    expect(unpack(layout.fields.b, bytes)).toBe(0x3456);
    expect(unpack(layout.fields.c, bytes)).toBe(0x789a_bcde);
    expect(unpack(layout.fields.d, bytes)).toBe(0x1_2345_6789);
  });

  it('cut numbers to their width', () => {
    const bytes = pack(layout, { a: 0x1ff, d: -1 });
    expect(bytes[0]).toBe(0xff);
    expect(Array.from(bytes.subarray(8, 17))).toEqual([255, 255, 255, 255, 255, 255, 255, 255, 0x20]);
  });

  it('pad text with spaces, cut what is too long, and leave the rest zero', () => {
    const bytes = pack(layout, { text: 'abcdefghij', rest: Uint8Array.of(1, 2, 3, 4, 5, 6) });
    expect(String.fromCharCode(...bytes.subarray(16, 24))).toBe('abcdef\0\0');
    expect(Array.from(bytes.subarray(24))).toEqual([1, 2, 3, 4, 0, 0, 0, 0]);
    expect(String.fromCharCode(...pack(layout, { text: 'a' }).subarray(16, 22))).toBe('a     ');
  });

  it('read a view in the middle of a buffer', () => {
    const outer = new Uint8Array(40);
    outer.set(pack(layout, { c: 77 }), 8);
    expect(unpack(layout.fields.c, outer.subarray(8))).toBe(77);
  });
});
