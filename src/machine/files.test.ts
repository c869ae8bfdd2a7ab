import { describe, expect, it } from 'vitest';
import { checkFileName } from './files.ts';

describe('checkFileName', () => {
  it.each(['a', 'a.b', '.hidden', '...', 'with space', 'ä', '统', 'x'.repeat(255), 'é'.repeat(127)])(
    'takes %j',
    (name) => {
      expect(() => checkFileName(name)).not.toThrow();
    },
  );

  it.each([
    ['', 'the name is empty'],
    ['.', 'that is a directory'],
    ['..', 'that is a directory'],
    ['a/b', 'a name holds no slash'],
    ['/a', 'a name holds no slash'],
    ['a\0', 'a name holds no control characters'],
    ['a\nb', 'a name holds no control characters'],
    ['x'.repeat(256), 'it has 256 bytes, and 255 are the most'],
    ['é'.repeat(128), 'it has 256 bytes, and 255 are the most'],
    ['\ud800', 'it is not valid Unicode'],
  ])('refuses %j', (name, why) => {
    expect(() => checkFileName(name)).toThrow(why);
  });
});
