import { describe, expect, it } from 'vitest';
import { TargetLayout } from './target.ts';
import type { TraceShape } from './record.ts';
import { SHAPE } from './test-line.ts';

const shapes: readonly TraceShape[] = [
  { ...SHAPE, numCh: 2, numLun: 4, numPln: 2, wsOpt: 8 },
  { ...SHAPE, kind: 'ocssd20', numCh: 2, numLun: 4, numPg: 12, secsPerPg: 8, wsOpt: 8 },
];

describe('how a line goes round its LUNs', () => {
  it.each(shapes.map((shape) => [shape.kind, shape] as const))(
    '%s: every position is one sector',
    (_, shape) => {
      for (const [ch, lun, luns] of [
        [0, 0, 8],
        [0, 0, 4],
        [1, 2, 2],
        [0, 3, 1],
      ] as const) {
        const layout = TargetLayout.from(shape, ch, lun, luns);
        if (!layout) throw new Error('no layout');
        const seen = new Set<string>();
        for (let position = 0; position < layout.sizes.secsPerLine; position++) {
          const { block, sec } = layout.place(5, position);
          seen.add(`${block}.${sec}`);
          const pln = block % shape.numPln;
          const unit = Math.floor(block / shape.numPln) - 5 * shape.numCh * shape.numLun;
          const [c, l] = [Math.floor(unit / shape.numLun), unit % shape.numLun];
          expect(layout.contains(c, l)).toBe(true);
          expect(layout.positionOf(c, l, pln, sec)).toBe(position);
        }
        expect(seen.size).toBe(layout.sizes.secsPerLine);
      }
    },
  );

  it('names the range as create does, and knows none for what Linux refuses', () => {
    const [shape] = shapes as [TraceShape];
    expect(TargetLayout.from(shape, 1, 1, 3)).toMatchObject({ begin: 5, end: 7 });
    expect(TargetLayout.from(shape, 0, 0, 8)).toMatchObject({ begin: 0, end: 7 });
    expect(TargetLayout.from(shape, 0, 2, 4)).toBeUndefined();
    expect(TargetLayout.from(shape, 0, 0, 6)).toBeUndefined();
    expect(TargetLayout.from(shape, 0, 0, 0)).toBeUndefined();
    expect(TargetLayout.from(shape, 1, 0, 8)).toBeUndefined();
  });

  it('leaves bad chunks out of head and end', () => {
    const layout = TargetLayout.from(SHAPE, 0, 0, 2);
    expect(layout?.ends(() => false)).toEqual({ smetaStart: 0, emetaStart: 28 });
    expect(layout?.ends((bit) => bit === 0)).toEqual({ smetaStart: 4, emetaStart: 28 });
    expect(layout?.ends((bit) => bit === 1)).toEqual({ smetaStart: 0, emetaStart: 24 });
  });
});
