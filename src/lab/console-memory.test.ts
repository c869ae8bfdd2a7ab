import { expect, it } from 'vitest';
import { ConsoleMemory } from './console-memory.ts';

const encoder = new TextEncoder();
const textOf = (memory: ConsoleMemory) => memory.all().map((bytes) => new TextDecoder().decode(bytes));

it('keeps what both consoles said, apart', () => {
  const memory = new ConsoleMemory();
  memory.add(0, encoder.encode('/ # '));
  memory.add(1, encoder.encode('two'));
  memory.add(0, encoder.encode('ls\n'));
  expect(textOf(memory)).toEqual(['/ # ls\n', 'two']);
  memory.clear();
  expect(textOf(memory)).toEqual(['', '']);
});

it('keeps the last of a long one, from the beginning of a line, however it comes', () => {
  const lines = Array.from({ length: 60_000 }, (_, i) => `line ${i}\n`);
  const bySingle = new ConsoleMemory();
  for (const line of lines) bySingle.add(0, encoder.encode(line));
  const atOnce = new ConsoleMemory();
  atOnce.add(0, encoder.encode(lines.join('')));
  for (const memory of [bySingle, atOnce]) {
    const [text = ''] = textOf(memory);
    expect(text.length).toBeLessThanOrEqual(128 * 1024);
    expect(text.length).toBeGreaterThan(100 * 1024);
    expect(text).toMatch(/^line \d+\n/);
    expect(lines.join('').endsWith(text)).toBe(true);
  }
});

it('does not keep what the caller changes later', () => {
  const memory = new ConsoleMemory();
  const bytes = encoder.encode('a');
  memory.add(0, bytes);
  bytes[0] = 98;
  expect(textOf(memory)[0]).toBe('a');
});
