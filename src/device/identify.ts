import { identifyController, identifyNamespace, IDENTIFY_BYTES, lbaFormat } from '../spec/identify.ts';
import { pack } from '../spec/layout.ts';
import { identify12, planeModes } from '../spec/ocssd12.ts';
import { VERSION_1_2 } from '../spec/registers.ts';
import type { ControllerConfig } from './config.ts';
import { type Namespace, namespaceSize, type OpenChannelNamespace } from './namespace.ts';

const MODEL = 'LightNVM Lab open-channel SSD';
const FIRMWARE = '1.0';
const KELVIN_0_C = 273;

/** Identify Controller. */
export function identifyControllerData(c: ControllerConfig): Uint8Array {
  return pack(identifyController, {
    vid: c.vendorId,
    ssvid: c.vendorId,
    sn: c.serial,
    mn: MODEL,
    fr: FIRMWARE,
    rab: 6,
    mdts: c.mdts,
    ver: VERSION_1_2,
    acl: c.aclZ,
    aerl: c.aerlZ,
    frmw: 0x3, // one slot, read only
    elpe: c.elpeZ,
    wctemp: KELVIN_0_C + 70,
    cctemp: KELVIN_0_C + 100,
    sqes: (c.maxSqes << 4) | 6,
    cqes: (c.maxCqes << 4) | 4,
    nn: c.namespaces.length,
    psd0MaxPower: 900,
  });
}

/** Identify Namespace; vs[0] = 1 tells Linux that the namespace speaks LightNVM. */
export function identifyNamespaceData(ns: Namespace): Uint8Array {
  const { totalSecs, secSizeBytes } = namespaceSize(ns);
  // qemu-nvme offers sector sizes from 512 bytes up, doubling; the one in use is the last we list.
  const formats = Math.log2(secSizeBytes) - 9;
  const lbaf = new Uint8Array(64);
  for (let i = 0; i <= formats && i < 16; i++)
    lbaf.set(pack(lbaFormat, { ds: 9 + i }), i * lbaFormat.sizeBytes);
  return pack(identifyNamespace, {
    nsze: totalSecs,
    ncap: totalSecs,
    nuse: totalSecs,
    nlbaf: formats,
    flbas: formats,
    lbaf,
    vs0: ns.kind === 'plain' ? 0 : 1,
  });
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

/** E2h: Open-Channel 1.2 identity. */
export function identifyGeometry(ns: OpenChannelNamespace): Uint8Array {
  const g = ns.medium.geometry;
  const f = ns.medium.address.format;
  return pack(identify12, {
    verId: 1,
    cgrps: 1,
    cap: 0x3, // bad-block management by the host, hybrid command support as qemu-nvme announces
    dom: 0,
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
    mccap: 0,
    cpar: 0,
  });
}
