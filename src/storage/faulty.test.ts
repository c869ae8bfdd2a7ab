import { describe, expect, it } from 'vitest';
import type { MediaCommit } from '../flash/media-store.ts';
import { FaultyDisk, FaultyStore, type FaultPlan } from './faulty.ts';
import { MemoryCatalogue } from './memory.ts';

const commit = (...numbers: number[]): MediaCommit => ({
  erased: [],
  units: numbers.map((unit) => ({ unit, bytes: Uint8Array.of(unit) })),
  shards: [],
});

async function disk(plan: FaultPlan) {
  const catalogue = new MemoryCatalogue();
  const { id } = await catalogue.create({
    name: 'x',
    deviceLine: '',
    sizeBytes: 1,
    unitBytes: 1,
    totalUnits: 100,
  });
  const inner = await catalogue.open(id);
  const reopen = async () => {
    await inner.close();
    return catalogue.open(id);
  };
  return { faulty: new FaultyDisk(inner, plan), inner, reopen };
}

describe('FaultyStore', () => {
  it('is as quick as what is beneath when nothing is planned', async () => {
    const { faulty } = await disk({});
    expect(faulty.commit(commit(1), 'relaxed')).toBeUndefined();
    expect(faulty.readUnit(1)).toEqual(Uint8Array.of(1));
  });

  it('fails the commits and reads it is told to, and keeps nothing of those', async () => {
    const { faulty } = await disk({ failCommits: new Map([[2, 'quota']]), failReads: new Map([[1, 'io']]) });
    await faulty.commit(commit(1), 'relaxed');
    await expect(faulty.commit(commit(2), 'relaxed')).rejects.toMatchObject({
      name: 'StoreError',
      code: 'quota',
    });
    await faulty.commit(commit(3), 'relaxed');
    await expect(faulty.readUnit(1)).rejects.toMatchObject({ code: 'io' });
    expect(await Promise.all([1, 2, 3].map((n) => faulty.readUnit(n)?.toString()))).toEqual([
      '1',
      undefined,
      '3',
    ]);
    expect([faulty.commitsSeen, faulty.commitsKept]).toEqual([3, 2]);
  });

  it.each([true, false])('cuts the power at a commit that is kept: %s', async (kept) => {
    for (let k = 1; k <= 5; k++) {
      const { faulty, reopen } = await disk({ cut: { atCommit: k, kept } });
      let acknowledged = 0;
      for (let n = 1; n <= 6; n++) {
        await (async () => faulty.commit(commit(n), 'relaxed'))().then(
          () => acknowledged++,
          () => undefined,
        );
      }
      expect(acknowledged).toBe(k - 1);
      expect(faulty.isCut).toBe(true);
      await expect(faulty.readUnit(1)).rejects.toMatchObject({ code: 'lost' });
      expect((await reopen()).unitsStored()).toBe(kept ? k : k - 1);
    }
  });

  it('hangs after a cut if asked to, and drops what was in its delay', async () => {
    let go = (): void => undefined;
    const wait = (): Promise<void> => new Promise((resolve) => (go = resolve));
    const { inner } = await disk({});
    const faulty = new FaultyStore(inner, { delayMs: [1, 1], wait, afterCut: 'hang' });
    let ended = false;
    const pending = Promise.resolve(faulty.commit(commit(1), 'relaxed')).finally(() => (ended = true));
    void pending;
    faulty.cut();
    go();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([ended, inner.unitsStored()]).toEqual([false, 0]);
  });

  it('draws the same delays from the same seed', async () => {
    const delays = async (seed: number): Promise<number[]> => {
      const drawn: number[] = [];
      const wait = async (ms: number): Promise<void> => void drawn.push(ms);
      const { faulty } = await disk({ seed, delayMs: [5, 9], wait });
      for (let n = 0; n < 5; n++) await faulty.commit(commit(n), 'relaxed');
      return drawn;
    };
    expect(await delays(3)).toEqual(await delays(3));
    expect(await delays(3)).not.toEqual(await delays(4));
    for (const ms of await delays(3)) expect(ms >= 5 && ms <= 9).toBe(true);
  });
});
