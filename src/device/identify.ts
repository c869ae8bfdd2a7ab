import {
  descriptor,
  Dlfeat,
  identifyController,
  identifyNamespace,
  IDENTIFY_BYTES,
  lbaFormat,
  Lpa,
  NIDT_UUID,
  Nsfeat,
  Oacs,
  Oaes,
  UUID_BYTES,
} from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { MAX_LBADS, MIN_LBADS } from '../flash/plain-blocks.ts';
import { Capability12, FLASH_MEDIA_SLC, identify12, MediaCapability12, planeModes } from '../spec/ocssd12.ts';
import { VERSION_1_2 } from '../spec/registers.ts';
import type { ControllerConfig } from './config.ts';
import { WARNING_TEMPERATURE_K } from './features.ts';
import { identifyChunkNamespace } from './identify-ocssd20.ts';
import { type Namespace, namespaceSize, type OpenChannelNamespace } from './namespace.ts';
import { optionalAdminCommands, optionalIoCommands } from './optional.ts';

const MODEL = 'LightNVM Lab open-channel SSD';
const PLAIN_MODEL = 'LightNVM Lab NVMe SSD';
const FIRMWARE = '1.0';
const KELVIN_0_C = 273;
const CRITICAL_TEMPERATURE_K = KELVIN_0_C + 100;

/** Identify Controller. */
export function identifyControllerData(c: ControllerConfig): Uint8Array {
  const oacs = optionalAdminCommands(c);
  return pack(identifyController, {
    vid: c.vendorId,
    ssvid: c.vendorId,
    sn: c.serial,
    mn: c.namespaces.every(({ kind }) => kind === 'plain') ? PLAIN_MODEL : MODEL,
    fr: FIRMWARE,
    rab: 6,
    mdts: c.mdts,
    ver: VERSION_1_2,
    // Only Format NVM changes a namespace's identity.
    oaes: (oacs & Oacs.format) !== 0 ? Oaes.namespaceAttributes : 0,
    oacs,
    acl: c.aclZ,
    aerl: c.aerlZ,
    frmw: 0x3, // one slot, read only
    lpa: Lpa.effects | Lpa.extended,
    elpe: c.elpeZ,
    wctemp: WARNING_TEMPERATURE_K,
    cctemp: CRITICAL_TEMPERATURE_K,
    sqes: (c.maxSqes << 4) | 6,
    cqes: (c.maxCqes << 4) | 4,
    nn: c.namespaces.length,
    oncs: optionalIoCommands(c),
    fna: 0, // formats and erases one namespace, or all with FFFFFFFFh; no cryptographic erase
    vwc: c.volatileWriteCache ? 1 : 0,
    psd0MaxPower: 900,
  });
}

/** Identify Namespace; vs[0] = 1 tells Linux that the namespace speaks LightNVM. */
export function identifyNamespaceData(ns: Namespace): Uint8Array {
  if (ns.kind === 'ocssd20') return identifyChunkNamespace(ns);
  const { totalSecs, secSizeBytes } = namespaceSize(ns);
  const plain = ns.kind === 'plain';
  const inUse = Math.log2(secSizeBytes) - MIN_LBADS;
  // A plain disk can be formatted with each of these; of an open-channel one the last we list is the one in use.
  const last = plain ? MAX_LBADS - MIN_LBADS : inUse;
  const lbaf = new Uint8Array(64);
  for (let i = 0; i <= last && i < 16; i++)
    lbaf.set(pack(lbaFormat, { ds: MIN_LBADS + i }), i * lbaFormat.sizeBytes);
  return pack(identifyNamespace, {
    nsze: totalSecs,
    ncap: totalSecs,
    nuse: totalSecs,
    nsfeat: plain ? Nsfeat.deallocatedError : 0,
    nlbaf: last,
    flbas: inUse,
    dlfeat: plain ? Dlfeat.zeros | Dlfeat.writeZeroes : 0,
    lbaf,
    vs0: plain ? 0 : 1,
  });
}

/**
 * Namespace identification descriptors (CNS 03h, which NVMe 1.3 hosts ask for): a UUID made of the serial
 * number and the identifier, of the version that is free for such schemes (8, RFC 9562).
 */
export function identifyDescriptors(c: ControllerConfig, nsid: number): Uint8Array {
  const uuid = new Uint8Array(UUID_BYTES);
  const text = `${c.vendorId}:${c.serial}:${nsid}`;
  // FNV-1a, once for each byte of the UUID, each with another beginning.
  for (let i = 0; i < UUID_BYTES; i++) {
    let hash = 0x811c_9dc5 ^ i;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
    uuid[i] = (hash ^ (hash >>> 15)) & 0xff;
  }
  uuid[6] = ((uuid[6] ?? 0) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] ?? 0) & 0x3f) | 0x80;
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  bytes.set(pack(descriptor, { type: NIDT_UUID, length: UUID_BYTES }));
  bytes.set(uuid, descriptor.sizeBytes);
  return bytes;
}

/** Identifiers above `nsid` in rising order, ended by 0. */
export function identifyActiveNamespaces(nsid: number, count: number): Uint8Array {
  const bytes = new Uint8Array(IDENTIFY_BYTES);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let id = nsid + 1; id <= count && at < IDENTIFY_BYTES; id++, at += 4) view.setUint32(at, id, true);
  return bytes;
}

/** Typical and maximum times that the identity announces, in nanoseconds: MLC NAND of the specification's era. */
const NAND_NS = { read: 70_000, program: 1_900_000, erase: 3_000_000 };

/**
 * What the control bits of a vector command can ask for. Suspend and scramble change nothing that a host can
 * see, so they are kept; SLC mode is kept where all cells are SLC anyway.
 */
function mediaCapabilities({ config }: OpenChannelNamespace): number {
  const always = MediaCapability12.suspend | MediaCapability12.scramble;
  return config.flashMediaType === FLASH_MEDIA_SLC ? always | MediaCapability12.slc : always;
}

/** E2h: Open-Channel 1.2 identity. */
export function identifyGeometry(ns: OpenChannelNamespace): Uint8Array {
  const g = ns.medium.geometry;
  const f = ns.medium.address.format;
  return pack(identify12, {
    verId: 1,
    cgrps: 1,
    cap: Capability12.badBlockTable | Capability12.ecc,
    dom: 0, // neither hybrid mode (the drive maps logical blocks) nor anything else
    chOffset: f.ch.offset,
    chLen: f.ch.bits,
    lunOffset: f.lun.offset,
    lunLen: f.lun.bits,
    plnOffset: f.pln.offset,
    plnLen: f.pln.bits,
    blkOffset: f.blk.offset,
    blkLen: f.blk.bits,
    pgOffset: f.pg.offset,
    pgLen: f.pg.bits,
    secOffset: f.sec.offset,
    secLen: f.sec.bits,
    mtype: ns.config.mediaType,
    fmtype: ns.config.flashMediaType,
    numCh: g.numCh,
    numLun: g.numLun,
    numPln: g.numPln,
    numChk: g.numChk,
    numPg: g.numPg,
    fpgSz: g.secsPerPg * g.secSizeBytes,
    csecs: g.secSizeBytes,
    sos: g.oobSizeBytes,
    trdt: NAND_NS.read,
    trdm: NAND_NS.read,
    tprt: NAND_NS.program,
    tprm: NAND_NS.program,
    tbet: NAND_NS.erase,
    tbem: NAND_NS.erase,
    mpos: planeModes[g.numPln] ?? 0x010101,
    mccap: mediaCapabilities(ns),
    cpar: 0,
  });
}
