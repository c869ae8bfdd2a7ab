import { expect, it } from 'vitest';
import { forkName } from './fork-name.ts';

it.each([
  ['class a', 'class a (fork)'],
  ['class a (fork)', 'class a (fork) (fork)'],
  ['x'.repeat(64), `${'x'.repeat(57)} (fork)`],
  [`${'🙂'.repeat(56)} y and more`, `${'🙂'.repeat(56)} (fork)`],
])('names the fork of %j', (name, expected) => {
  expect(forkName(name)).toBe(expected);
});
