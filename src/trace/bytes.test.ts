import { expect, it } from 'vitest';
import { ByteReader, ByteWriter } from './bytes.ts';

it.each([
  '',
  'fio',
  'a'.repeat(127),
  'b'.repeat(5000),
  'Größe',
  `${'c'.repeat(200)}界`,
  '\u0000\u007f\u0080',
])('text of any letters comes back: %j', (text) => {
  const writer = new ByteWriter();
  writer.u8(7);
  writer.text(text);
  writer.u8(9);
  const reader = new ByteReader(writer.take());
  expect([reader.u8(), reader.text(), reader.u8(), reader.atEnd]).toEqual([7, text, 9, true]);
});

it('four bytes from the middle of others', () => {
  const writer = new ByteWriter();
  writer.four(Uint8Array.of(1, 2, 3, 4, 5, 6), 1);
  expect([...writer.take()]).toEqual([2, 3, 4, 5]);
});
