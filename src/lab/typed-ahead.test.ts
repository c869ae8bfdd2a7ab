import { expect, it } from 'vitest';
import { TypedAhead } from './typed-ahead.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const keys = (typed: string) => new TextEncoder().encode(typed);

function ahead() {
  const sent: [number, string][] = [];
  return { sent, typed: new TypedAhead((tty, bytes) => sent.push([tty, text(bytes)])) };
}

it('sends what is typed, and keeps what is typed too early, in its order', () => {
  const { sent, typed } = ahead();
  typed.type(0, keys('a'));
  typed.hold();
  typed.type(0, keys('b'));
  typed.type(1, keys('c'));
  expect(sent).toEqual([[0, 'a']]);
  typed.release();
  typed.type(0, keys('d'));
  expect(sent).toEqual([
    [0, 'a'],
    [0, 'b'],
    [1, 'c'],
    [0, 'd'],
  ]);
});

it('forgets what was typed for a machine that never came', () => {
  const { sent, typed } = ahead();
  typed.hold();
  typed.type(0, keys('a'));
  typed.hold();
  typed.release();
  expect(sent).toEqual([]);
});

it('keeps no paste that is too long, nor half of it', () => {
  const { sent, typed } = ahead();
  typed.hold();
  typed.type(0, keys('a'));
  typed.type(0, new Uint8Array(4096));
  typed.type(0, keys('b'));
  typed.release();
  expect(sent.map(([, t]) => t)).toEqual(['a', 'b']);
});
