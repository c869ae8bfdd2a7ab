import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KEPT_SHARD } from '../disk-files/kept-bytes.ts';
import type { TargetRecipe } from '../types.ts';
import {
  createCommand,
  forget,
  isRecipe,
  learn,
  MAX_RECIPES,
  packRecipes,
  recipesIn,
  TARGETS_SHARD,
  unpackRecipes,
} from './recipe.ts';

const target = (name: string, begin: number, end: number, op?: number): TargetRecipe => ({
  name,
  type: 'pblk',
  begin,
  end,
  ...(op === undefined ? {} : { op }),
});

const recipe = fc
  .record({
    name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,30}$/),
    begin: fc.nat(65_535),
    luns: fc.nat(64),
    op: fc.option(fc.integer({ min: 3, max: 80 }), { nil: undefined }),
  })
  .map(({ name, begin, luns, op }) => target(name, begin, Math.min(65_535, begin + luns), op));

describe('the record of targets', () => {
  it('gives back what was put in', () => {
    fc.assert(
      fc.property(fc.array(recipe, { maxLength: 40 }), (made) => {
        const kept = made.reduce<readonly TargetRecipe[]>(learn, []);
        expect(kept.length).toBeLessThanOrEqual(MAX_RECIPES);
        expect(unpackRecipes(packRecipes(kept))).toEqual(kept);
      }),
    );
  });

  it('is 64 bytes a target behind 8, little-endian', () => {
    const bytes = packRecipes([target('mydevice', 4, 0x107, 30)]);
    expect(bytes.length).toBe(72);
    const text = (at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));
    expect([...bytes.subarray(0, 8)]).toEqual([1, 0, 0, 0, 1, 0, 0, 0]);
    expect([text(8, 9), text(40, 5)]).toEqual(['mydevice\0', 'pblk\0']);
    expect([...bytes.subarray(56)]).toEqual([4, 0, 0, 0, 7, 1, 0, 0, 30, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('never throws, and gives only what checks, whatever the storage holds', () => {
    const any = fc.uint8Array({ maxLength: 8 + 64 * 17 });
    // A sound head, so that the records are looked at.
    const headed = fc.tuple(fc.nat(MAX_RECIPES), fc.uint8Array({ minLength: 1024, maxLength: 1024 }));
    const records = headed.map(([n, rest]) =>
      Uint8Array.of(1, 0, 0, 0, n, 0, 0, 0, ...rest.slice(0, 64 * n)),
    );
    // Sound records of which some bytes are not.
    const spoilt = fc
      .tuple(fc.array(recipe, { maxLength: 4 }), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }))
      .map(([recipes, changes]) => {
        const bytes = packRecipes(recipes);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(any, records, spoilt), (bytes) => {
        const found = unpackRecipes(bytes);
        expect(found.length).toBeLessThanOrEqual(MAX_RECIPES);
        for (const one of found) {
          expect(isRecipe(one)).toBe(true);
          expect(createCommand(one)).toMatch(
            /^nvme lnvm create -d nvme0n1 -n \w[\w.-]{0,30} -t pblk -b \d+ -e \d+( -o \d+)?$/,
          );
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['a; reboot', 0, 3],
    ['-f', 0, 3],
    ['../x', 0, 3],
    ['', 0, 3],
    ['x'.repeat(32), 0, 3],
    ['two\nlines', 0, 3],
    ['x', 4, 3],
    ['x', 0, 65_536],
    ['x', -1, 3],
    ['x', 0.5, 3],
  ])('makes no command of %j, %d to %d', (name, begin, end) => {
    expect(isRecipe(target(name, begin, end))).toBe(false);
    expect(() => createCommand(target(name, begin, end))).toThrow(RangeError);
  });

  it('knows an over-provisioning from 3 to 80 only, and no type but pblk', () => {
    expect([2, 3, 80, 81, NaN].map((op) => isRecipe(target('x', 0, 3, op)))).toEqual([
      false,
      true,
      true,
      false,
      false,
    ]);
    expect(isRecipe({ ...target('x', 0, 3), type: 'rrpc' })).toBe(false);
  });

  it('ignores another version, and a record that is not whole', () => {
    const bytes = packRecipes([target('x', 0, 3)]);
    expect(unpackRecipes(bytes)).toHaveLength(1);
    expect(unpackRecipes(bytes.subarray(0, 71))).toEqual([]);
    expect(unpackRecipes(Uint8Array.of(...bytes, 0))).toEqual([]);
    expect(unpackRecipes(bytes.with(0, 2))).toEqual([]);
    expect(unpackRecipes(undefined)).toEqual([]);
  });

  it('has a shard of its own', () => {
    expect(TARGETS_SHARD).toBe(2 ** 30 + 1);
    // What an image keeps is all that is from there on.
    expect(TARGETS_SHARD).toBeLessThan(KEPT_SHARD);
    const bytes = packRecipes([target('x', 0, 3)]);
    expect(recipesIn([{ shard: 2 ** 30, bytes: new Uint8Array(512) }])).toEqual([]);
    expect(recipesIn([{ shard: TARGETS_SHARD, bytes }])).toEqual([target('x', 0, 3)]);
  });
});

describe('learning and forgetting', () => {
  const two = [target('a', 0, 3), target('b', 4, 7)];

  it('is nothing new when a target is made again as it was', () => {
    expect(learn(two, target('b', 4, 7))).toBe(two);
  });

  it('takes the place of its name and of whose LUNs it has', () => {
    expect(learn(two, target('a', 8, 9))).toEqual([target('b', 4, 7), target('a', 8, 9)]);
    expect(learn(two, target('c', 3, 4))).toEqual([target('c', 3, 4)]);
    expect(learn(two, target('c', 7, 9))).toEqual([target('a', 0, 3), target('c', 7, 9)]);
    expect(learn(two, target('b', 4, 7, 30))).toEqual([target('a', 0, 3), target('b', 4, 7, 30)]);
  });

  it('lets go of the oldest when there are too many', () => {
    const many = Array.from({ length: MAX_RECIPES + 2 }, (_, i) => target(`t${i}`, i, i));
    const kept = many.reduce<readonly TargetRecipe[]>(learn, []);
    expect(kept.map(({ name }) => name)).toEqual(many.slice(2).map(({ name }) => name));
  });

  it('forgets by name', () => {
    expect(forget(two, 'a')).toEqual([target('b', 4, 7)]);
    expect(forget(two, 'x')).toBe(two);
  });
});
