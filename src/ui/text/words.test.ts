import { describe, expect, it } from 'vitest';
import { en } from './en.ts';
import { formatBytes, formatCount, formatSeconds } from './format.ts';
import { zhCN } from './zh-CN.ts';

/** Every text of a dictionary with its path; functions are tried with numbers. */
function texts(node: unknown, path = ''): [string, string][] {
  if (typeof node === 'string') return [[path, node]];
  if (typeof node === 'function') {
    const args = Array.from({ length: node.length }, (_, i) => `${i + 1}`);
    return [[path, String(node(...args))]];
  }
  return Object.entries(node as object).flatMap(([key, value]) => texts(value, `${path}.${key}`));
}

describe('dictionaries', () => {
  it('have the same keys', () => {
    expect(texts(zhCN).map(([path]) => path)).toEqual(texts(en).map(([path]) => path));
  });

  it('leave nothing empty and nothing undefined', () => {
    for (const [path, text] of [...texts(en), ...texts(zhCN)]) {
      expect(text.trim(), path).not.toBe('');
      expect(text, path).not.toContain('undefined');
    }
  });

  it('use what they are given', () => {
    const all = [...texts(en), ...texts(zhCN)];
    const plane = all.filter(([path]) => path === '.map.at');
    for (const [path, text] of plane) for (const n of ['1', '2', '3']) expect(text, path).toContain(n);
  });
});

describe('numbers', () => {
  it('writes bytes in powers of 1024', () => {
    expect(formatBytes(0)).toBe('0 B');
    expect(formatBytes(8 * 1024 ** 3)).toBe('8 GiB');
    expect(formatBytes(513 * 1024 ** 2)).toBe('513 MiB');
    expect(formatBytes(1.3 * 1024 ** 3)).toBe('1.3 GiB');
  });

  it('groups counts and shows tenths of seconds', () => {
    expect(formatCount(339968)).toBe('339,968');
    expect(formatSeconds(2490)).toBe('2.5');
  });
});
