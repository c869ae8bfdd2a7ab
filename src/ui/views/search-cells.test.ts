import { expect, it } from 'vitest';
import { TraceModel } from '../../trace/model.ts';
import type { TraceShape } from '../../trace/record.ts';
import { newTarget, TargetLayout, type Target } from '../../trace/target.ts';
import { cellsOf, MAX_HIGHLIGHTED, targetOfDisk } from './search-cells.ts';

const shape: TraceShape = {
  kind: 'ocssd12',
  numCh: 1,
  numLun: 4,
  numPln: 1,
  numChk: 8,
  numPg: 32,
  secsPerPg: 4,
  secSizeBytes: 4096,
  oobSizeBytes: 16,
  wsOpt: 4,
};

function targetOf(lun: number, luns: number): Target {
  const layout = TargetLayout.from(shape, 0, lun, luns);
  if (!layout) throw new Error('no layout');
  return newTarget({ uuid: `${lun}`, line: 0, prevLine: 0, seqNr: 0, luns }, layout);
}

it('finds the cells of extents, and counts the blocks that have none', () => {
  const model = new TraceModel(shape);
  const target = targetOf(0, 4);
  model.targets.push(target);
  for (const lba of [10, 11, 13]) target.map.set(lba, 2 * model.secsPerBlk + lba);
  const found = cellsOf(model, target, [
    { lba: 10, count: 4 },
    { lba: 100, count: 2 },
  ]);
  expect(found.cells).toEqual([10, 11, 13].map((sec) => ({ block: 2, sec })));
  expect(found.extents.map(({ cells }) => cells)).toEqual([3, 0]);
  expect([found.found, found.missing]).toEqual([3, 3]);
});

it('is bounded for whole disks', () => {
  const model = new TraceModel(shape);
  const target = targetOf(0, 4);
  for (let lba = 0; lba < MAX_HIGHLIGHTED + 10; lba++) target.map.set(lba, 0);
  const before = performance.now();
  const found = cellsOf(model, target, [{ lba: 0, count: 2 ** 32 - 3 }]);
  expect(found.cells).toHaveLength(MAX_HIGHLIGHTED);
  expect(found.found).toBe(MAX_HIGHLIGHTED + 10);
  expect(performance.now() - before).toBeLessThan(2000);
});

it('tells targets apart by name, else by their number of LUNs', () => {
  const [small, other] = [targetOf(0, 1), targetOf(1, 2)];
  expect(targetOfDisk([small, other], 'x', 2)).toBe(other);
  expect(targetOfDisk([small, targetOf(1, 1)], 'x', 1)).toBeUndefined();
  other.disk = 'x';
  expect(targetOfDisk([small, other], 'x', 0)).toBe(other);
  expect(targetOfDisk([small, other], 'y', 2)).toBeUndefined();
});
