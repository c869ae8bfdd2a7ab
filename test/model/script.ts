import fc from 'fast-check';
import { expect } from 'vitest';
import { Bench } from './bench.ts';
import type { Dialect } from './dialect.ts';

const COMMANDS = 80;
/** Commands under way at once. */
const ABREAST = 3;

/** The workload: the same commands for the same seed. */
const script = <S, R>(dialect: Dialect<S, R>, seed: number): R[] =>
  fc.sample(dialect.recipe, { seed, numRuns: COMMANDS });

/** Runs commands until `isOver` says so, which is asked before each operation of the store is answered. */
async function play<S, R>(
  bench: Bench<S, R>,
  recipes: readonly R[],
  isOver: () => boolean,
): Promise<boolean> {
  const drainTo = async (count: number): Promise<boolean> => {
    while (bench.underWayCount > count) {
      if (bench.store.waitingReads + bench.store.waitingCommits > 0 && isOver()) return false;
      if (!(await bench.releaseOne()) && bench.underWayCount > count) throw new Error('a command hangs');
    }
    return true;
  };
  for (const recipe of recipes) {
    if (!(await drainTo(ABREAST - 1))) return false;
    await bench.submit((guess) => bench.dialect.make(recipe, guess, bench.tools));
    await bench.pump();
  }
  return drainTo(0);
}

/**
 * Runs the first half undisturbed and opens the disk anew, so that in the second half parts of units have to be
 * read before they are written.
 */
async function openHalfWritten<S, R>(make: () => Dialect<S, R>, recipes: readonly R[]): Promise<Bench<S, R>> {
  const bench = await Bench.open(make(), 'held');
  await play(bench, recipes.slice(0, COMMANDS / 2), () => false);
  await bench.powerCut();
  return bench;
}

/** The power goes after k operations of the store, for every k. Answers with how many there were. */
export async function cutEverywhere<S, R>(make: () => Dialect<S, R>, seed: number): Promise<number> {
  const recipes = script(make(), seed);
  for (let k = 0; ; k++) {
    const bench = await openHalfWritten(make, recipes);
    let left = k;
    const isOver = () => left-- <= 0;
    const ended = await play(bench, recipes.slice(COMMANDS / 2), isOver);
    await bench.powerCut();
    await bench.survey();
    if (ended) return k - left;
  }
}

/** The k-th commit fails, for every k: no change is acknowledged from then on, and reads go on. */
export async function failEverywhere<S, R>(make: () => Dialect<S, R>, seed: number): Promise<number> {
  const recipes = script(make(), seed);
  for (let k = 1; ; k++) {
    const bench = await openHalfWritten(make, recipes);
    bench.failCommitIn(k);
    await play(bench, recipes.slice(COMMANDS / 2), () => false);
    await bench.survey();
    const { failed } = bench;
    if (failed) expect(bench.store.commits.length, 'commits after the one that failed').toBe(k - 1);
    await bench.powerCut();
    await bench.survey();
    if (!failed) return k - 1;
  }
}
