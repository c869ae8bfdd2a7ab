import type { DeviceLineResult } from '../../rpc/protocol.ts';
import type { TraceShape } from '../../trace/record.ts';

/** A device as far as two of them are told apart. */
export interface Device {
  readonly kind: 'ocssd12' | 'ocssd20' | 'plain';
  /** qemu-nvme or FEMU, and which spelling; '' for a recording, which does not say. */
  readonly dialect: string;
  readonly numCh: number;
  /** LUNs (PUs) of a channel (group). */
  readonly numLun: number;
  readonly numChk: number;
  /** Over all planes. */
  readonly chunkBytes: number;
  readonly totalBytes: number;
}

export type Part = 'kind' | 'units' | 'chunks' | 'total' | 'dialect';

type Measures = Pick<
  TraceShape,
  'numCh' | 'numLun' | 'numPln' | 'numChk' | 'numPg' | 'secsPerPg' | 'secSizeBytes'
>;

function deviceOf(kind: Device['kind'], dialect: string, g: Measures): Device {
  const chunkBytes = g.numPln * g.numPg * g.secsPerPg * g.secSizeBytes;
  const { numCh, numLun, numChk } = g;
  const totalBytes = chunkBytes * numChk * numLun * numCh;
  return { kind, dialect, numCh, numLun, numChk, chunkBytes, totalBytes };
}

export function deviceOfLine(parsed: DeviceLineResult): Device | undefined {
  if (!parsed.ok) return undefined;
  const device = deviceOf(parsed.kind, parsed.dialect, parsed.geometry);
  if (parsed.kind !== 'plain') return device;
  return { ...device, totalBytes: parsed.totalSecs * parsed.geometry.secSizeBytes };
}

export const deviceOfShape = (shape: TraceShape): Device => deviceOf(shape.kind, '', shape);

/** Which parts of their names differ: those are pointed out. */
export function differences(a: Device | undefined, b: Device | undefined): ReadonlySet<Part> {
  const found = new Set<Part>();
  if (!a || !b) return found;
  if (a.kind !== b.kind) found.add('kind');
  if (a.numCh !== b.numCh || a.numLun !== b.numLun) found.add('units');
  if (a.numChk !== b.numChk || a.chunkBytes !== b.chunkBytes) found.add('chunks');
  if (a.totalBytes !== b.totalBytes) found.add('total');
  if (a.dialect !== b.dialect && a.dialect !== '' && b.dialect !== '') found.add('dialect');
  return found;
}

/** `{{left|right}}` in a command stands for what each side gets. */
export function commandFor(side: 'left' | 'right', command: string): string {
  return command.replace(/\{\{([^{}|]*)\|([^{}|]*)\}\}/g, (_all, left: string, right: string) =>
    side === 'left' ? left : right,
  );
}
