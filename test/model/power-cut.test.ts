import { describe, expect, it } from 'vitest';
import { disks } from './disks.ts';

/** A fixed workload; what goes wrong goes wrong at each moment of it. */
const seed = Number(process.env.MODEL_SEED ?? 1);
const only = process.env.MODEL_ONLY ?? '';
const chosen = disks.filter(({ name }) => name.includes(only));

describe('a power cut after each operation of the store', () => {
  it.each(chosen)('$name: what was acknowledged is there', { timeout: 120_000 }, async (disk) => {
    const operations = await disk.cutEverywhere(seed);
    console.log(`${disk.name}: cut after each of ${operations} operations`);
    expect(operations).toBeGreaterThan(5);
  });
});

describe('a failure of each commit', () => {
  it.each(chosen)('$name: later changes fail, reads go on', { timeout: 120_000 }, async (disk) => {
    const commits = await disk.failEverywhere(seed);
    console.log(`${disk.name}: each of ${commits} commits failed`);
    expect(commits).toBeGreaterThan(4);
  });
});
