/** Reads the `ocssd` image of qemu-nvme, branch master, into a disk. */
import type { ChunkNamespaceConfig } from '../../device/config.ts';
import { bitsFor } from '../../flash/address.ts';
import { BlockTable } from '../../flash/block-table.ts';
import { deriveGeometry } from '../../flash/geometry.ts';
import type { MediaStore, UnitBytes } from '../../flash/media-store.ts';
import { CHUNK_DESCRIPTOR_BYTES, geometry20 } from '../../spec/ocssd20.ts';
import { unpack } from '../../spec/layout.ts';
import { Turns, type TransferOptions } from '../../storage/transfer-options.ts';
import { isZero, READ_BYTES, readPadded, refuseImage, type ImageSource } from './image-source.ts';
import { KeptBytesWriter, KeptImage } from './kept-bytes.ts';
import { ImageChunks } from './ocssd-chunks.ts';
import {
  GEOMETRY_AT,
  GEOMETRY_BYTES,
  layoutOf,
  LNVM_MAGIC,
  LNVM_VERSION,
  lnvmHeader,
  LOG_AT,
  overlaps,
  SECTOR_BYTES,
  type OcssdCounts,
} from './ocssd-layout.ts';

/** An image's head, read and found possible. */
export interface OcssdHead {
  readonly numGrp: number;
  readonly numPu: number;
  readonly numChk: number;
  readonly clba: number;
  readonly mdBytes: number;
  /** The device line that makes the same disk. */
  readonly deviceLine: string;
}

export function isOcssd(firstBytes: Uint8Array): boolean {
  return firstBytes.length >= 8 && unpack(lnvmHeader.fields.magic, firstBytes) === LNVM_MAGIC;
}

/** Reads header and geometry. Rejects with StoreError `corrupt`, one sentence, for what is no such image. */
export async function readOcssdHead(source: ImageSource): Promise<OcssdHead> {
  if (source.sizeBytes < LOG_AT) throw refuseImage('it is shorter than the head of an ocssd image');
  const header = await source.read(0, lnvmHeader.sizeBytes);
  const h = lnvmHeader.fields;
  if (!isOcssd(header)) throw refuseImage('it has not the magic number of an ocssd image');
  const version = unpack(h.version, header);
  if (version !== LNVM_VERSION)
    throw refuseImage(`its format has version ${version}, and version 1 can be read`);
  const namespaces = unpack(h.numNamespaces, header);
  if (namespaces !== 1)
    throw refuseImage(`it has ${namespaces} namespaces, and an open-channel disk has one here`);
  const sectorBytes = unpack(h.sectorSize, header);
  if (sectorBytes !== SECTOR_BYTES)
    throw refuseImage(`its sectors have ${sectorBytes} bytes, and ${SECTOR_BYTES} is what pblk works with`);
  const mdBytes = unpack(h.mdSize, header);
  const geometry = await source.read(GEOMETRY_AT, GEOMETRY_BYTES);
  const g = geometry20.fields;
  const of = (field: (typeof g)[keyof typeof g]): number => unpack(field, geometry);
  const [numGrp, numPu, numChk, clba] = [of(g.numGrp), of(g.numPu), of(g.numChk), of(g.clba)];
  if (of(g.mjr) !== 2)
    throw refuseImage(`its geometry says version ${of(g.mjr)}, and 2 is what the branch makes`);
  if ([numGrp, numPu, numChk, clba].includes(0)) throw refuseImage('one of the counts of its geometry is 0');
  const bits = [numGrp, numPu, numChk, clba].map(bitsFor);
  if ([g.grpLen, g.puLen, g.chkLen, g.lbaLen].some((field, i) => of(field) !== bits[i]))
    throw refuseImage('its addresses have other bits than its counts need');
  const counts = `num_grp=${numGrp},num_pu=${numPu},num_chk=${numChk},num_sec=${clba}`;
  const rules = `mccap=${of(g.mccap)},ws_min=${of(g.wsMin)},ws_opt=${of(g.wsOpt)},mw_cunits=${of(g.mwCunits)}`;
  return {
    numGrp,
    numPu,
    numChk,
    clba,
    mdBytes,
    deviceLine: `qemu-img create -f ocssd -o ${counts},md_size=${mdBytes},${rules} ocssd.img\n-device nvme,drive=ocssd,serial=deadbeef`,
  };
}

/**
 * Puts an image on an empty disk whose configuration follows from its head. Units that hold nothing but zeros
 * and of which nothing counts as written are left out. Rejects with StoreError, one sentence.
 */
export async function fillFromOcssd(
  disk: MediaStore,
  source: ImageSource,
  config: ChunkNamespaceConfig,
  { signal, onProgress }: TransferOptions = {},
): Promise<void> {
  const g = deriveGeometry(config.geometry);
  const counts: OcssdCounts = { chunks: g.totalBlks, sectors: g.totalSecs, mdBytes: g.oobSizeBytes };
  const layout = layoutOf(counts, source.sizeBytes);
  if (source.sizeBytes < layout.dataEnd)
    throw refuseImage(
      `it has ${source.sizeBytes} bytes where its geometry needs ${layout.dataEnd} for its sectors alone`,
    );
  if (overlaps(layout))
    throw refuseImage(
      'its out-of-band bytes lie over its last sectors, as that branch does it with more than 3,840 chunks, so that both are lost already',
    );
  const head = await source.read(0, layout.dataAt);
  const table = new BlockTable(g);
  const chunks = new ImageChunks(g, table, config.peCycles);
  for (let i = 0; i < chunks.count; i++) {
    const at = LOG_AT + i * CHUNK_DESCRIPTOR_BYTES;
    const wrong = chunks.enter(i, head.subarray(at, at + CHUNK_DESCRIPTOR_BYTES));
    if (wrong !== undefined) throw refuseImage(wrong);
  }
  const kept = new KeptBytesWriter();
  kept.add(0, head);
  await kept.addFrom(source, layout.dataEnd, Math.min(layout.oobAt, source.sizeBytes));
  await kept.addFrom(source, Math.max(layout.oobEnd, layout.dataEnd), source.sizeBytes);

  const turns = new Turns(signal);
  const pagesPerRead = Math.max(1, Math.floor(READ_BYTES / g.unitOobOffset));
  for (let i = 0; i < chunks.count; i++) {
    const block = chunks.blockOf(i);
    for (let pg = 0; pg < g.numPg; pg += pagesPerRead) {
      await turns.next();
      const pages = Math.min(pagesPerRead, g.numPg - pg);
      const sector = i * g.secsPerBlk + pg * g.secsPerPg;
      const secs = pages * g.secsPerPg;
      const data = await source.read(layout.dataAt + sector * SECTOR_BYTES, secs * SECTOR_BYTES);
      const oob = await readPadded(source, layout.oobAt + sector * counts.mdBytes, secs * counts.mdBytes);
      const units: UnitBytes[] = [];
      const noData = isZero(data) && isZero(oob);
      for (let page = 0; page < pages; page++) {
        const isWritten = (pg + page) * g.secsPerPg < table.written(block);
        if (!isWritten && noData) break;
        const bytes = new Uint8Array(g.unitBytes);
        bytes.set(data.subarray(page * g.unitOobOffset, (page + 1) * g.unitOobOffset));
        const oobBytes = g.secsPerPg * counts.mdBytes;
        bytes.set(oob.subarray(page * oobBytes, (page + 1) * oobBytes), g.unitOobOffset);
        if (isWritten || !isZero(bytes)) units.push({ unit: block * g.numPg + pg + page, bytes });
      }
      if (units.length > 0) await disk.commit({ erased: [], units, shards: [] }, 'relaxed');
      onProgress?.((sector + secs) * (SECTOR_BYTES + counts.mdBytes), source.sizeBytes);
    }
  }
  await disk.commit(
    {
      erased: [],
      units: [],
      shards: [...table.packAll(), ...kept.shards(KeptImage.ocssd, source.sizeBytes)],
    },
    'relaxed',
  );
  onProgress?.(source.sizeBytes, source.sizeBytes);
}
