import { expect, it } from 'vitest';
import { byteAt, hexBoxes, hexRows } from './hex-rows.ts';

const none: ReadonlySet<number> = new Set();
const bytes = (text: string) => new TextEncoder().encode(text);

it('prints as hexdump does', () => {
  expect(hexRows(bytes('Hello\n\0é'), 8, none)).toEqual([
    { offset: 0, text: '000 48 65 6c 6c 6f 0a 00 c3 Hello...' },
    { offset: 8, text: '008 a9                      .' },
  ]);
});

it('folds what repeats, and shows where it ends', () => {
  const rows = hexRows(new Uint8Array(4096), 8, none);
  expect(rows.map(({ offset }) => offset)).toEqual([0, -1, 4088]);
  expect(hexRows(new Uint8Array(16), 8, none)).toHaveLength(2);
});

it('marks what is not known', () => {
  expect(hexRows(bytes('abcd'), 4, new Set([1]))[0]?.text).toBe('000 61 ·· 63 64 a.cd');
});

it('finds the letters of bytes, and the bytes of letters', () => {
  const rows = hexRows(bytes('0123456789abcdefghijklmn'), 8, none);
  const boxes = hexBoxes(rows, 8, 3, 6, 4);
  expect(
    boxes.map(({ row, column, letters }) => rows[row]?.text.substring(column, column + letters)),
  ).toEqual(['36 37', '67', '38 39', '89']);
  for (const [row, line] of rows.entries())
    for (let column = 0; column < line.text.length; column++) {
      const byte = byteAt(line, column, 8, 3);
      if (byte === undefined) continue;
      const [hex, letter] = hexBoxes(rows, 8, 3, byte, 1);
      // The space behind two digits belongs to them.
      const inHex = hex?.row === row && column >= hex.column && column <= hex.column + 2;
      expect(inHex || (letter?.row === row && letter.column === column)).toBe(true);
    }
  expect(byteAt({ offset: -1, text: '*' }, 0, 8, 3)).toBeUndefined();
  expect(byteAt(rows[0], 1, 8, 3)).toBeUndefined();
});
