/** A 2.0 disk as the `ocssd` image of qemu-nvme, branch master, which continues there. */
import type { ChunkNamespaceConfig } from '../../device/config.ts';
import { bitsFor } from '../../flash/address.ts';
import { BlockTable } from '../../flash/block-table.ts';
import { deriveGeometry, type DerivedGeometry } from '../../flash/geometry.ts';
import { CHUNK_DESCRIPTOR_BYTES, geometry20, Mccap } from '../../spec/ocssd20.ts';
import { pack } from '../../spec/layout.ts';
import type { OpenDisk } from '../../storage/catalogue.ts';
import { fixedSpan, type ImageContent, type Span } from './image-content.ts';
import { isZero } from './image-source.ts';
import { keptBytes, KeptImage, overlay, runsWithin, type KeptRun } from './kept-bytes.ts';
import { ImageChunks } from './ocssd-chunks.ts';
import {
  GEOMETRY_AT,
  layoutOf,
  LNVM_MAGIC,
  LNVM_VERSION,
  lnvmHeader,
  LOG_AT,
  namespaceBytes,
  roomyLayout,
  SECTOR_BYTES,
  type OcssdCounts,
  type OcssdLayout,
} from './ocssd-layout.ts';

/** Bytes of the image's head handed over at a time. */
const HEAD_PIECE_BYTES = 1_048_576;
/** ocssd_co_create_opts: what qemu-img writes as times, in nanoseconds. */
const TIMES = {
  trdt: 70_000,
  trdm: 100_000,
  twrt: 1_900_000,
  twrm: 3_500_000,
  tcrst: 3_000_000,
  tcrsm: 3_000_000,
};

/**
 * What the image of an open disk holds. A disk that came from such an image gives the same bytes back but for what
 * has changed: header, reserved fields, slack and tail were kept. Rejects with StoreError.
 */
export async function ocssdContent(disk: OpenDisk, config: ChunkNamespaceConfig): Promise<ImageContent> {
  const g = deriveGeometry(config.geometry);
  const shards = await disk.loadTable();
  const table = new BlockTable(g);
  table.load(shards.filter(({ shard }) => shard < table.totalShards));
  const chunks = new ImageChunks(g, table, config.peCycles);
  const kept = keptBytes(shards, KeptImage.ocssd);
  const runs = kept?.runs ?? [];
  const counts: OcssdCounts = { chunks: g.totalBlks, sectors: g.totalSecs, mdBytes: g.oobSizeBytes };
  let layout = kept === undefined ? roomyLayout(counts) : layoutOf(counts, kept.fileBytes);
  if (kept !== undefined && (await losesOob(disk, g, chunks, layout)))
    layout = roomyLayout(counts, kept.fileBytes);

  const head = new Uint8Array(layout.dataAt);
  if (kept === undefined) fillHead(head, config, counts);
  else overlay(runs, 0, head);
  for (let i = 0; i < chunks.count; i++) {
    const at = LOG_AT + i * CHUNK_DESCRIPTOR_BYTES;
    chunks.update(i, head.subarray(at, at + CHUNK_DESCRIPTOR_BYTES));
  }
  return {
    sizeBytes: layout.fileBytes,
    *spans() {
      for (let at = 0; at < head.length; at += HEAD_PIECE_BYTES)
        yield fixedSpan(at, head.subarray(at, at + HEAD_PIECE_BYTES));
      yield* dataSpans(disk, g, chunks, layout);
      yield* keptSpans(runs, layout.dataEnd, layout.oobAt);
      yield* oobSpans(disk, g, chunks, layout);
      yield* keptSpans(runs, Math.max(layout.oobEnd, layout.dataEnd), layout.fileBytes);
    },
  };
}

/** Every stored unit in the order of the image, with the number of its first sector there. */
function* unitsInOrder(
  disk: OpenDisk,
  g: DerivedGeometry,
  chunks: ImageChunks,
  fromSector = 0,
): Generator<{ unit: number; sector: number }> {
  for (let i = Math.floor(fromSector / g.secsPerBlk); i < chunks.count; i++) {
    const firstUnit = chunks.blockOf(i) * g.numPg;
    for (let pg = 0; pg < g.numPg; pg++) {
      const unit = firstUnit + pg;
      if (disk.isStored(unit)) yield { unit, sector: i * g.secsPerBlk + pg * g.secsPerPg };
    }
  }
}

function* dataSpans(
  disk: OpenDisk,
  g: DerivedGeometry,
  chunks: ImageChunks,
  { dataAt }: OcssdLayout,
): Generator<Span> {
  const length = g.unitOobOffset;
  for (const { unit, sector } of unitsInOrder(disk, g, chunks))
    yield {
      offset: dataAt + sector * SECTOR_BYTES,
      length,
      unit,
      make: (bytes) => bytes.subarray(0, length),
    };
}

function* oobSpans(
  disk: OpenDisk,
  g: DerivedGeometry,
  chunks: ImageChunks,
  { oobAt, fileBytes }: OcssdLayout,
): Generator<Span> {
  const from = g.unitOobOffset;
  if (g.oobSizeBytes === 0) return;
  for (const { unit, sector } of unitsInOrder(disk, g, chunks)) {
    const offset = oobAt + sector * g.oobSizeBytes;
    const length = Math.min(g.unitBytes - from, fileBytes - offset);
    if (length > 0) yield { offset, length, unit, make: (bytes) => bytes.subarray(from, from + length) };
  }
}

function* keptSpans(runs: readonly KeptRun[], from: number, to: number): Generator<Span> {
  for (const { offset, bytes } of runsWithin(runs, from, to)) yield fixedSpan(offset, bytes);
}

/** Whether out-of-band bytes would fall behind the end of the file: qemu-img makes it too short for all of them. */
async function losesOob(
  disk: OpenDisk,
  g: DerivedGeometry,
  chunks: ImageChunks,
  layout: OcssdLayout,
): Promise<boolean> {
  if (g.oobSizeBytes === 0 || layout.oobEnd <= layout.fileBytes) return false;
  const firstSector = Math.max(0, Math.floor((layout.fileBytes - layout.oobAt) / g.oobSizeBytes));
  for (const { unit, sector } of unitsInOrder(disk, g, chunks, firstSector)) {
    const lost = layout.oobAt + (sector + g.secsPerUnit) * g.oobSizeBytes - layout.fileBytes;
    if (lost <= 0) continue;
    const bytes = await disk.readUnit(unit);
    if (bytes !== undefined && !isZero(bytes.slice(Math.max(g.unitOobOffset, g.unitBytes - lost))))
      return true;
  }
  return false;
}

/** The head as qemu-img writes it (block/ocssd.c, ocssd_co_create_opts), with this disk's options. */
function fillHead(head: Uint8Array, config: ChunkNamespaceConfig, counts: OcssdCounts): void {
  const { numCh, numLun, numChk } = config.geometry;
  const g = deriveGeometry(config.geometry);
  const { wsMin, wsOpt, mwCunits } = config.writeRules;
  head.set(
    pack(lnvmHeader, {
      magic: LNVM_MAGIC,
      version: LNVM_VERSION,
      numNamespaces: 1,
      sectorSize: SECTOR_BYTES,
      mdSize: counts.mdBytes,
      nsSize: namespaceBytes(counts),
    }),
  );
  head.set(
    pack(geometry20, {
      mjr: 2,
      grpLen: bitsFor(numCh),
      puLen: bitsFor(numLun),
      chkLen: bitsFor(numChk),
      lbaLen: bitsFor(g.secsPerBlk),
      // Early reset is added by the device, as learly_reset says; vector copy the branch does not have.
      mccap: config.mccap & ~Mccap.earlyReset & ~Mccap.vectorCopy,
      numGrp: numCh,
      numPu: numLun,
      numChk,
      clba: g.secsPerBlk,
      wsMin,
      wsOpt,
      mwCunits,
      ...TIMES,
    }),
    GEOMETRY_AT,
  );
}
