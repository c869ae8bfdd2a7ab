import { identifyNamespace, lbaFormat, Nsfeat } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { geometry20, Mccap } from '../spec/ocssd20.ts';
import type { ChunkNamespace } from './namespace.ts';

/** MC: metadata in a buffer of its own (NVMe 1.2 Identify Namespace, MC bit 1). Linux refuses the extended kind. */
const SEPARATE_METADATA = 0x2;

/**
 * Identify Namespace of an open-channel 2.0 namespace. Its size is that of the whole address space, of which
 * only the capacity leads to sectors, as in qemu-nvme: so each address is below the size, and a plain read in
 * a gap (the kernel's partition scan) finds the predefined pattern. vs[0] = 1 tells Linux to use LightNVM.
 */
export function identifyChunkNamespace({ config, medium }: ChunkNamespace): Uint8Array {
  const { totalSecs, secSizeBytes, oobSizeBytes } = medium.geometry;
  return pack(identifyNamespace, {
    nsze: medium.address.spaceSecs,
    ncap: totalSecs,
    nuse: totalSecs,
    nsfeat: Nsfeat.deallocatedError,
    mc: oobSizeBytes > 0 ? SEPARATE_METADATA : 0,
    dlfeat: config.deallocatedReads,
    lbaf: pack(lbaFormat, { ms: oobSizeBytes, ds: Math.log2(secSizeBytes) }),
    vs0: 1,
  });
}

/** Typical times that the geometry announces, in nanoseconds: those of the 1.2 identity. The longest are the same. */
const CHUNK_NS = { read: 70_000, write: 1_900_000, reset: 3_000_000 };

/** E2h: the geometry of Open-Channel 2.0. */
export function chunkGeometryData({ config, medium }: ChunkNamespace): Uint8Array {
  const g = medium.geometry;
  const { format } = medium.address;
  const { wsMin, wsOpt, mwCunits } = config.writeRules;
  return pack(geometry20, {
    mjr: 2,
    mnr: 0,
    grpLen: format.grp,
    puLen: format.pu,
    chkLen: format.chk,
    lbaLen: format.sec,
    mccap: config.mccap | (config.earlyReset ? Mccap.earlyReset : 0),
    wit: config.wearIndexThreshold,
    numGrp: g.numCh,
    numPu: g.numLun,
    numChk: g.numChk,
    clba: g.secsPerBlk,
    wsMin,
    wsOpt,
    mwCunits,
    maxoc: config.maxOpenChunks,
    maxocpu: config.maxOpenChunksPerPu,
    trdt: CHUNK_NS.read,
    trdm: CHUNK_NS.read,
    twrt: CHUNK_NS.write,
    twrm: CHUNK_NS.write,
    tcrst: CHUNK_NS.reset,
    tcrsm: CHUNK_NS.reset,
  });
}
