/**
 * The three files of qemu-nvme, branch ocssd12: data, metadata and bad blocks. One channel only, as its channels lie
 * over each other. It zeroes its metadata file at start, so only the formats are served: a disk with data does not
 * continue there.
 *
 *     data       sectors: LUN, block, page, plane, sector (lnvm_ppa_to_off); behind them what the size leaves over
 *     metadata   for each sector, in the same order: its state (u32, little-endian), then its out-of-band bytes
 *     bad blocks one byte for each block: LUN, block, plane; values as in F2h
 */
import type { OpenChannelNamespaceConfig } from '../../device/config.ts';
import { blockIndex } from '../../flash/address.ts';
import { BlockTable } from '../../flash/block-table.ts';
import { deriveGeometry, type DerivedGeometry } from '../../flash/geometry.ts';
import { StoreError, type MediaStore, type UnitBytes } from '../../flash/media-store.ts';
import { badBlockValues } from '../../spec/ocssd12.ts';
import type { OpenDisk } from '../../storage/catalogue.ts';
import { Turns, type TransferOptions } from '../../storage/transfer-options.ts';
import { fixedSpan, type ImageContent, type Span } from './image-content.ts';
import { isZero, READ_BYTES, type ImageSource } from './image-source.ts';
import { keptBytes, KeptBytesWriter, KeptImage, runsWithin } from './kept-bytes.ts';

/** Bytes of a sector's state before its out-of-band bytes (int_meta_size). */
const STATE_BYTES = 4;
/** 0 free, 1 open (erased), 2 full; earlier states of the branch wrote 0xdc erased and 0xac written (enum LnvmMetaState). */
const SectorState = { free: 0, open: 1, full: 2, erased: 0xdc, written: 0xac } as const;
const UNWRITTEN: readonly number[] = [SectorState.free, SectorState.open, SectorState.erased];
const WRITTEN: readonly number[] = [SectorState.full, SectorState.written];

export interface Raw12Sources {
  readonly data: ImageSource;
  readonly metadata: ImageSource;
  /** All blocks are good without it. */
  readonly badBlocks: ImageSource | undefined;
}

export interface Raw12Contents {
  readonly data: ImageContent;
  readonly metadata: ImageContent;
  readonly badBlocks: ImageContent;
}

/** One sentence for a disk that the three files cannot express; undefined if they can. */
export function whyNotRaw12(config: OpenChannelNamespaceConfig): string | undefined {
  const { numCh } = config.geometry;
  if (numCh === 1) return undefined;
  return `The disk has ${numCh} channels, and branch ocssd12 has one, over which all others lie: a disk with lnum_ch=1 can be exchanged with it, and a container takes any.`;
}

/** What the three files of an open disk hold. Rejects with StoreError. */
export async function raw12Contents(
  disk: OpenDisk,
  config: OpenChannelNamespaceConfig,
): Promise<Raw12Contents> {
  const wrong = whyNotRaw12(config);
  if (wrong !== undefined) throw new StoreError('io', wrong);
  const g = deriveGeometry(config.geometry);
  const shards = await disk.loadTable();
  const table = new BlockTable(g);
  table.load(shards.filter(({ shard }) => shard < table.totalShards));
  const kept = keptBytes(shards, KeptImage.raw12);
  const dataEnd = g.totalSecs * g.secSizeBytes;
  const unitData = g.unitOobOffset;
  const metaBytes = STATE_BYTES + g.oobSizeBytes;
  const badBlocks = badBlockBytes(table, g);
  return {
    data: {
      sizeBytes: kept?.fileBytes ?? disk.summary.sizeBytes,
      *spans() {
        for (const { unit, sector } of unitsInOrder(disk, g))
          yield {
            offset: sector * g.secSizeBytes,
            length: unitData,
            unit,
            make: (bytes) => bytes.subarray(0, unitData),
          };
        if (kept === undefined) return;
        for (const { offset, bytes } of runsWithin(kept.runs, dataEnd, kept.fileBytes))
          yield fixedSpan(offset, bytes);
      },
    },
    metadata: {
      sizeBytes: g.totalSecs * metaBytes,
      *spans() {
        for (const { unit, sector } of unitsInOrder(disk, g)) yield metadataSpan(unit, sector, table, g);
      },
    },
    badBlocks: { sizeBytes: badBlocks.length, spans: () => [fixedSpan(0, badBlocks)] },
  };
}

function metadataSpan(unit: number, sector: number, table: BlockTable, g: DerivedGeometry): Span {
  const stride = STATE_BYTES + g.oobSizeBytes;
  return {
    offset: sector * stride,
    length: g.secsPerUnit * stride,
    unit,
    make: (bytes) => {
      const made = new Uint8Array(g.secsPerUnit * stride);
      const view = new DataView(made.buffer);
      const pg = unit % g.numPg;
      const firstBlock = ((unit - pg) / g.numPg) * g.numPln;
      for (let slot = 0; slot < g.secsPerUnit; slot++) {
        const block = firstBlock + Math.floor(slot / g.secsPerPg);
        const sec = pg * g.secsPerPg + (slot % g.secsPerPg);
        const state = sec < table.written(block) ? SectorState.full : SectorState.free;
        view.setUint32(slot * stride, state, true);
        const oobAt = g.unitOobOffset + slot * g.oobSizeBytes;
        made.set(bytes.subarray(oobAt, oobAt + g.oobSizeBytes), slot * stride + STATE_BYTES);
      }
      return made;
    },
  };
}

/** Every stored unit in the order of the files, with the number of its first sector there. */
function* unitsInOrder(disk: OpenDisk, g: DerivedGeometry): Generator<{ unit: number; sector: number }> {
  for (let page = 0; page < g.totalUnits; page++) {
    const unit = unitAt(page, g);
    if (disk.isStored(unit)) yield { unit, sector: page * g.secsPerUnit };
  }
}

/** The unit of the files' `page`-th page across planes: LUN, chunk, page. */
function unitAt(page: number, g: DerivedGeometry): number {
  const pg = page % g.numPg;
  const chunk = (page - pg) / g.numPg;
  const chk = chunk % g.numChk;
  return (blockIndex(g, 0, (chunk - chk) / g.numChk, chk, 0) / g.numPln) * g.numPg + pg;
}

function badBlockBytes(table: BlockTable, g: DerivedGeometry): Uint8Array {
  const bytes = new Uint8Array(g.totalBlks);
  forEachBlock(g, (block, at) => (bytes[at] = table.badBlock[block] ?? 0));
  return bytes;
}

/** Blocks in the order of the bad-block file: LUN, chunk, plane. */
function forEachBlock(g: DerivedGeometry, visit: (block: number, at: number) => void): void {
  let at = 0;
  for (let lun = 0; lun < g.numLun; lun++)
    for (let chk = 0; chk < g.numChk; chk++)
      for (let pln = 0; pln < g.numPln; pln++) visit(blockIndex(g, 0, lun, chk, pln), at++);
}

function refuse(reason: string): StoreError {
  return new StoreError('corrupt', `The files were not imported because ${reason}; nothing was changed.`);
}

/** Puts the three files on an empty disk of this configuration. Rejects with StoreError, one sentence. */
export async function fillFromRaw12(
  disk: MediaStore,
  { data, metadata, badBlocks }: Raw12Sources,
  config: OpenChannelNamespaceConfig,
  { signal, onProgress }: TransferOptions = {},
): Promise<void> {
  const wrong = whyNotRaw12(config);
  if (wrong !== undefined) throw new StoreError('io', wrong);
  const g = deriveGeometry(config.geometry);
  const stride = STATE_BYTES + g.oobSizeBytes;
  const dataEnd = g.totalSecs * g.secSizeBytes;
  if (data.sizeBytes < dataEnd)
    throw refuse(`the data file has ${data.sizeBytes} bytes and the device line needs ${dataEnd}`);
  if (metadata.sizeBytes !== g.totalSecs * stride)
    throw refuse(
      `the metadata file has ${metadata.sizeBytes} bytes and the device line makes ${g.totalSecs * stride} (${stride} for each of ${g.totalSecs} sectors)`,
    );
  if (badBlocks !== undefined && badBlocks.sizeBytes !== g.totalBlks)
    throw refuse(`the bad-block file has ${badBlocks.sizeBytes} bytes and the disk ${g.totalBlks} blocks`);

  const table = new BlockTable(g);
  const kept = new KeptBytesWriter();
  await kept.addFrom(data, dataEnd, data.sizeBytes);
  const totalBytes = data.sizeBytes + metadata.sizeBytes;
  const turns = new Turns(signal);
  const pagesPerRead = Math.max(1, Math.floor(READ_BYTES / g.unitOobOffset));
  for (let page = 0; page < g.totalUnits; page += pagesPerRead) {
    await turns.next();
    const pages = Math.min(pagesPerRead, g.totalUnits - page);
    const sector = page * g.secsPerUnit;
    const secs = pages * g.secsPerUnit;
    const bytes = await data.read(sector * g.secSizeBytes, secs * g.secSizeBytes);
    const meta = await metadata.read(sector * stride, secs * stride);
    const units: UnitBytes[] = [];
    const nothing = isZero(bytes) && isZero(meta);
    for (let i = 0; !nothing && i < pages; i++) {
      const unit = unitAt(page + i, g);
      const whole = new Uint8Array(g.unitBytes);
      whole.set(bytes.subarray(i * g.unitOobOffset, (i + 1) * g.unitOobOffset));
      const isWritten = takeMetadata(
        meta.subarray(i * g.secsPerUnit * stride, (i + 1) * g.secsPerUnit * stride),
        unit,
        whole,
        table,
        g,
      );
      if (isWritten || !isZero(whole)) units.push({ unit, bytes: whole });
    }
    if (units.length > 0) await disk.commit({ erased: [], units, shards: [] }, 'relaxed');
    onProgress?.((sector + secs) * (g.secSizeBytes + stride), totalBytes);
  }
  if (badBlocks !== undefined) markBadBlocks(await badBlocks.read(0, badBlocks.sizeBytes), table, g);
  await disk.commit(
    { erased: [], units: [], shards: [...table.packAll(), ...kept.shards(KeptImage.raw12, data.sizeBytes)] },
    'relaxed',
  );
  onProgress?.(totalBytes, totalBytes);
}

/** Takes the states and the out-of-band bytes of one unit's sectors. True if one of them is written. */
function takeMetadata(
  meta: Uint8Array,
  unit: number,
  whole: Uint8Array,
  table: BlockTable,
  g: DerivedGeometry,
): boolean {
  const stride = STATE_BYTES + g.oobSizeBytes;
  const view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
  const pg = unit % g.numPg;
  const firstBlock = ((unit - pg) / g.numPg) * g.numPln;
  let anyWritten = false;
  for (let slot = 0; slot < g.secsPerUnit; slot++) {
    const at = slot * stride;
    whole.set(meta.subarray(at + STATE_BYTES, at + stride), g.unitOobOffset + slot * g.oobSizeBytes);
    const state = view.getUint32(at, true);
    if (UNWRITTEN.includes(state)) continue;
    const block = firstBlock + Math.floor(slot / g.secsPerPg);
    const sec = pg * g.secsPerPg + (slot % g.secsPerPg);
    if (!WRITTEN.includes(state))
      throw refuse(
        `the metadata file has the state ${state} for a sector, and 0, 1 and 2 are those that there are`,
      );
    if (sec !== table.written(block))
      throw refuse(
        `the metadata file says of sector ${sec} of a block that it is written and of one before it that it is not`,
      );
    table.advance(block);
    anyWritten = true;
  }
  return anyWritten;
}

function markBadBlocks(values: Uint8Array, table: BlockTable, g: DerivedGeometry): void {
  forEachBlock(g, (block, at) => {
    const value = values[at] ?? 0;
    if (!badBlockValues.includes(value))
      throw refuse(
        `the bad-block file has the value ${value}, and 0, 1, 2, 4 and 8 are those that there are`,
      );
    if (value !== 0) table.mark(block, value);
  });
}
