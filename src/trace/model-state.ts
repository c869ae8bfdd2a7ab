import { ByteReader, ByteWriter, TraceError } from './bytes.ts';
import type { BlockCells } from './cells.ts';
import { Operation } from './known-flash.ts';
import { TraceModel } from './model.ts';
import type { Emeta } from './pblk-books.ts';
import type { TraceShape } from './record.ts';
import { type Line, type LineStateName, MAX_HELD, newTarget, type Target, TargetLayout } from './target.ts';

/**
 * A model as bytes: the state that a recording begins with in a file, and what a page catches up from after it
 * could not follow. Findings and the causes that are still open are left out.
 */
/** 2: what was done last to each block, and when. 3: when the power came on. 4: what only pblk's buffer holds. */
const VERSION = 4;
const KINDS: readonly TraceShape['kind'][] = ['ocssd12', 'ocssd20', 'plain'];
const LINE_STATES: readonly LineStateName[] = ['free', 'open', 'closed', 'collecting'];
/** A device with more blocks is no device of ours: the addresses of a disk have 32 bits. */
const MAX_BLOCKS = 1 << 24;
const MAX_SECTORS = 2 ** 32;
const MAX_TABLE_BYTES = 512 * 1024 * 1024;
/** Of one sector in BlockCells, and of one page of a target's map. */
const CELL_BYTES = 16;
const MAP_PAGE_BYTES = 16_384;
const MAP_PAGE_ENTRIES = 4096;

export function packModel(model: TraceModel): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  out.u8(VERSION);
  packShape(out, model.shape);
  for (const n of [model.nowUs, model.records, model.commands, model.isOn ? 1 : 0]) out.varint(n);
  const { poweredOn } = model;
  out.varint(poweredOn ? 1 : 0);
  // Nothing that is known happened later than now.
  if (poweredOn) for (const n of [model.nowUs - poweredOn.timeUs, poweredOn.command]) out.varint(n);
  out.raw(model.state);
  packNumbers(out, model.writtenSecs);
  packNumbers(out, model.eraseCount);
  packNumbers(out, model.lastOperation);
  for (let block = 0; block < model.totalBlks; block++)
    if (model.lastOperation[block] !== 0)
      out.varint(Math.max(0, model.nowUs - (model.lastOperationUs[block] ?? 0)));
  out.varint(model.causes.processes.length);
  for (const { pid, comm } of model.causes.processes) {
    out.varint(pid);
    out.text(comm);
  }
  packTargets(out, model);
  for (let block = 0; block < model.totalBlks; block++) {
    const cells = model.cellsOf(block);
    const written = model.writtenSecs[block] ?? 0;
    if (!cells || written === 0) continue;
    out.varint(block + 1);
    packCells(out, cells, written);
  }
  out.varint(0);
  return out.take();
}

/** Throws a TraceError for bytes that are no model. */
export function unpackModel(bytes: Uint8Array): TraceModel {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version < 1 || version > VERSION)
    throw new TraceError('The recording was made by another version of this page.');
  const shape = unpackShape(reader);
  const [nowUs = 0, records = 0, commands = 0, isOn = 0] = [0, 1, 2, 3].map(() => reader.varint());
  const poweredOn = version >= 3 && reader.varint() === 1 ? unpackMoment(reader, nowUs) : undefined;
  const totalBlks = shape.numCh * shape.numLun * shape.numChk * shape.numPln;
  const state = reader.raw(totalBlks);
  const writtenSecs = unpackNumbers(reader, totalBlks);
  const eraseCount = unpackNumbers(reader, totalBlks);
  const model = new TraceModel(shape, { state, writtenSecs, eraseCount });
  if (writtenSecs.some((secs) => secs > model.secsPerBlk))
    throw new TraceError('The recording has a block with more sectors than there are.');
  Object.assign(model, { nowUs, records, commands, isOn: isOn === 1, poweredOn });
  if (version >= 2) unpackOperations(reader, model);
  const processes = reader.varint();
  if (processes > 0xffff) throw new TraceError('The recording names too many processes.');
  model.causes.processes.length = 0;
  for (let i = 0; i < processes; i++)
    model.causes.processes.push({ pid: reader.varint(), comm: reader.text() });
  const room = new Room();
  unpackTargets(reader, model, room, version);
  for (let block = reader.varint(); block > 0; block = reader.varint()) {
    if (block > totalBlks) throw new TraceError('The recording has a block outside its device.');
    if (!model.cellsOf(block - 1)) room.take(model.secsPerBlk * CELL_BYTES);
    unpackCells(reader, model.own(block - 1), model.writtenSecs[block - 1] ?? 0);
  }
  model.takeChanged();
  return model;
}

function unpackMoment(reader: ByteReader, nowUs: number): NonNullable<TraceModel['poweredOn']> {
  return { timeUs: Math.max(0, nowUs - reader.varint()), command: reader.varint() };
}

function unpackOperations(reader: ByteReader, model: TraceModel): void {
  fillNumbers(reader, model.totalBlks, model.lastOperation);
  for (let block = 0; block < model.totalBlks; block++) {
    const operation = model.lastOperation[block] as number;
    if (operation > Operation.erase) throw new TraceError('The recording has an operation that is none.');
    if (operation !== 0) model.lastOperationUs[block] = model.nowUs - reader.varint();
  }
}

/** A few bytes of a file can ask for a table of any size: so much is given to one model altogether. */
class Room {
  private leftBytes = MAX_TABLE_BYTES;

  take(bytes: number): void {
    this.leftBytes -= bytes;
    if (this.leftBytes < 0)
      throw new TraceError('The recording is of a device that is too large for this page.');
  }
}

function packShape(out: ByteWriter, s: TraceShape): void {
  out.u8(KINDS.indexOf(s.kind));
  for (const n of dimensionsOf(s)) out.varint(n);
}

const dimensionsOf = (s: TraceShape) => [
  s.numCh,
  s.numLun,
  s.numPln,
  s.numChk,
  s.numPg,
  s.secsPerPg,
  s.secSizeBytes,
  s.oobSizeBytes,
  s.wsOpt,
];

function unpackShape(reader: ByteReader): TraceShape {
  const kind = KINDS[reader.u8()];
  const [
    numCh = 0,
    numLun = 0,
    numPln = 0,
    numChk = 0,
    numPg = 0,
    secsPerPg = 0,
    secSizeBytes = 0,
    oobSizeBytes = 0,
    wsOpt = 0,
  ] = Array.from({ length: 9 }, () => reader.varint());
  const blocks = numCh * numLun * numPln * numChk;
  if (!kind || blocks > MAX_BLOCKS || blocks * numPg * secsPerPg > MAX_SECTORS || secSizeBytes > 65_536)
    throw new TraceError('The recording is of a device that cannot be.');
  const shape = { kind, numCh, numLun, numPln, numChk, numPg, secsPerPg, secSizeBytes, oobSizeBytes, wsOpt };
  return shape;
}

/** Neighbours are often alike: each as its distance from the one before, runs of the same as a count. */
function packNumbers(
  out: ByteWriter,
  numbers: Uint32Array | Uint16Array | Uint8Array,
  count = numbers.length,
): void {
  let last = 0;
  let step = 0;
  for (let i = 0; i < count;) {
    let run = 0;
    while (i + run < count && (numbers[i + run] as number) === last + step * (run + 1)) run++;
    out.varint(run);
    i += run;
    last += step * run;
    if (i === count) break;
    const value = numbers[i] as number;
    step = value - last;
    out.zigzag(step);
    last = value;
    i++;
  }
}

function unpackNumbers(reader: ByteReader, count: number, into = new Uint32Array(count)): Uint32Array {
  fillNumbers(reader, count, into);
  return into;
}

function fillNumbers(reader: ByteReader, count: number, into: Uint32Array | Uint16Array | Uint8Array): void {
  let last = 0;
  let step = 0;
  for (let i = 0; i < count;) {
    const run = reader.varint();
    if (run > count - i) throw new TraceError('The recording holds a run that is too long.');
    for (let end = i + run; i < end; i++) into[i] = last += step;
    if (i === count) break;
    step = reader.zigzag();
    into[i++] = last += step;
  }
}

function packCells(out: ByteWriter, cells: BlockCells, written: number): void {
  packNumbers(out, cells.kind, written);
  packNumbers(out, cells.owner, written);
  packNumbers(out, cells.lba, written);
  packNumbers(out, cells.command, written);
  packNumbers(out, cells.writtenMs, written);
  packNumbers(out, cells.process, written);
  out.varint(cells.valid);
}

function unpackCells(reader: ByteReader, cells: BlockCells, written: number): void {
  fillNumbers(reader, written, cells.kind);
  fillNumbers(reader, written, cells.owner);
  fillNumbers(reader, written, cells.lba);
  fillNumbers(reader, written, cells.command);
  fillNumbers(reader, written, cells.writtenMs);
  fillNumbers(reader, written, cells.process);
  cells.valid = reader.varint();
}

function packTargets(out: ByteWriter, model: TraceModel): void {
  out.varint(model.targets.length);
  for (const t of model.targets) {
    out.text(t.uuid);
    out.text(t.disk);
    const { firstCh, firstLun, luns } = t.layout;
    for (const n of [firstCh, firstLun, luns, t.live ? 1 : 0, t.openLine + 1]) out.varint(n);
    for (const n of [t.userSecs, t.gcSecs, t.paddingSecs, t.metaSecs]) out.varint(n);
    const lines = t.lines.filter((line): line is Line => line !== undefined);
    out.varint(lines.length);
    for (const line of lines) packLine(out, line);
    for (const [lba, at] of t.map.entries()) {
      out.varint(lba + 1);
      out.varint(at);
    }
    out.varint(0);
    out.varint(t.held.size);
    for (const [lba, process] of t.held) {
      out.varint(lba);
      out.varint(process);
    }
  }
}

function unpackTargets(reader: ByteReader, model: TraceModel, room: Room, version: number): void {
  for (let left = reader.varint(); left > 0; left--) {
    const uuid = reader.text();
    const disk = reader.text();
    const [firstCh = 0, firstLun = 0, luns = 0, live = 0, openLine = 0] = [0, 1, 2, 3, 4].map(() =>
      reader.varint(),
    );
    const layout = TargetLayout.from(model.shape, firstCh, firstLun, luns);
    if (!layout) throw new TraceError('The recording has a target that cannot be.');
    const target: Target = {
      ...newTarget({ uuid, line: 0, prevLine: 0, seqNr: 0, luns }, layout),
      disk,
      live: live === 1,
      openLine: openLine - 1,
      userSecs: reader.varint(),
      gcSecs: reader.varint(),
      paddingSecs: reader.varint(),
      metaSecs: reader.varint(),
    };
    for (let lines = reader.varint(); lines > 0; lines--) {
      const line = unpackLine(reader);
      if (line.id >= model.shape.numChk) throw new TraceError('The recording has a line that cannot be.');
      target.lines[line.id] = line;
    }
    unpackMap(reader, target, room);
    if (version >= 4) unpackHeld(reader, target);
    model.targets.push(target);
  }
}

function unpackMap(reader: ByteReader, { map, layout }: Target, room: Room): void {
  let page = -1;
  for (let lba = reader.varint(); lba > 0; lba = reader.varint()) {
    if (lba > layout.totalSecs) throw outsideTarget();
    const at = Math.floor((lba - 1) / MAP_PAGE_ENTRIES);
    // They come in order.
    if (at !== page) room.take(MAP_PAGE_BYTES);
    page = at;
    map.set(lba - 1, reader.varint());
  }
}

function unpackHeld(reader: ByteReader, { held, layout }: Target): void {
  const count = reader.varint();
  if (count > MAX_HELD)
    throw new TraceError('The recording has more in a write buffer than there is room for.');
  for (let i = 0; i < count; i++) {
    const lba = reader.varint();
    if (lba >= layout.totalSecs) throw outsideTarget();
    held.set(lba, reader.varint());
  }
}

const outsideTarget = () => new TraceError('The recording has a logical block outside its target.');

function packLine(out: ByteWriter, line: Line): void {
  out.u8(LINE_STATES.indexOf(line.state));
  const { emeta } = line;
  for (const n of [
    line.id,
    line.seqNr,
    line.dataSecs,
    line.validSecs,
    line.paddingSecs,
    line.emetaStart,
    line.smetaStart,
    line.openedUs,
    line.closedUs,
    emeta ? 1 : 0,
  ])
    out.varint(n);
  if (!emeta) return;
  out.text(emeta.uuid);
  for (const n of [emeta.line, emeta.prevLine, emeta.nextLine]) out.varint(n);
  for (const n of [emeta.seqNr, emeta.nrValidLbas]) out.varint(n);
  for (const n of [emeta.userSecs, emeta.gcSecs, emeta.padSecs]) out.varint(n);
}

function unpackLine(reader: ByteReader): Line {
  const state = LINE_STATES[reader.u8()];
  if (!state) throw new TraceError('The recording has a line in a state that is none.');
  return {
    state,
    id: reader.varint(),
    seqNr: reader.varint(),
    dataSecs: reader.varint(),
    validSecs: reader.varint(),
    paddingSecs: reader.varint(),
    emetaStart: reader.varint(),
    smetaStart: reader.varint(),
    openedUs: reader.varint(),
    closedUs: reader.varint(),
    emeta: reader.varint() === 1 ? unpackEmeta(reader) : undefined,
    epoch: 0,
  };
}

function unpackEmeta(reader: ByteReader): Emeta {
  return {
    uuid: reader.text(),
    line: reader.varint(),
    prevLine: reader.varint(),
    nextLine: reader.varint(),
    seqNr: reader.varint(),
    nrValidLbas: reader.varint(),
    userSecs: reader.varint(),
    gcSecs: reader.varint(),
    padSecs: reader.varint(),
  };
}
