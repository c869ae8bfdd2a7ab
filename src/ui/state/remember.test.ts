import { afterEach, expect, it, vi } from 'vitest';

const kept = new Map<string, string>();
vi.stubGlobal('localStorage', {
  getItem: (key: string) => kept.get(key) ?? null,
  setItem: (key: string, value: string) => void kept.set(key, value),
  removeItem: (key: string) => void kept.delete(key),
});

/** The module as a page of this address has it. */
async function at(search: string) {
  vi.stubGlobal('location', { search });
  vi.resetModules();
  return import('./remember.ts');
}

afterEach(() => kept.clear());

it('keeps the disk of each side for itself, and the theme for all', async () => {
  const alone = await at('');
  alone.remember('disk', 'a');
  alone.remember('theme', 'dark');
  const right = await at('?side=right&preset=gc');
  expect(right.recall('disk')).toBeUndefined();
  expect(right.recall('theme')).toBe('dark');
  right.remember('disk', 'b');
  right.remember('theme', 'light');
  expect((await at('?side=left')).recall('disk')).toBeUndefined();
  expect((await at('?side=right')).recall('disk')).toBe('b');
  const again = await at('');
  expect(again.recall('disk')).toBe('a');
  expect(again.recall('theme')).toBe('light');
});
