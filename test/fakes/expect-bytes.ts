import { expect } from 'vitest';

/** Like toEqual, but quick for large arrays: says where the first difference is. */
export function expectBytes(actual: Uint8Array | undefined, expected: Uint8Array): void {
  expect(actual?.byteLength).toBe(expected.byteLength);
  if (!actual || Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  expect.fail(`byte ${at} of ${expected.byteLength} is ${actual[at]} instead of ${expected[at]}`);
}
